"""Reference values of holes: writes ../fixtures/topology.json.

Run from the repository root: python tests/reference/topology.py (numpy, scipy, gudhi; some seconds). Two clouds of 40 rows around a circle and a figure of
eight; complexes and their bars are gudhi's.
"""

import json
import pathlib

import gudhi
import numpy as np
from scipy.spatial.distance import cdist, pdist, squareform


def bars(complex_):
    complex_.persistence(homology_coeff_field=2, min_persistence=0)
    return complex_.persistence_intervals_in_dimension(1)


def directed(w, v):
    n = len(w)
    doubled = np.full((2 * n + 1, 2 * n + 1), np.inf)
    doubled[:n, :n] = w
    doubled[n:-1, n:-1] = np.minimum(w, v)
    doubled[:n, n:-1] = np.triu(w) + np.triu(w).T
    doubled[n:-1, :n] = doubled[:n, n:-1].T
    doubled[-1, :n] = doubled[:n, -1] = 0
    np.fill_diagonal(doubled, 0)
    rips = gudhi.RipsComplex(distance_matrix=doubled, max_edge_length=1e6).create_simplex_tree(max_dimension=2)
    found = bars(rips)
    return float((found[:, 1] - found[:, 0]).sum())


def divergence(x, y):
    w, v = (squareform(pdist(z)) / np.quantile(pdist(z), 0.9) for z in (x, y))
    return (directed(w, v) + directed(v, w)) / 2


def living_times(x, chosen):
    a = cdist(x, x[chosen])
    alpha = a.max() * (1 / 128) / (len(x) / 5000)
    order = np.argsort(a, kind="stable")
    table = [[(int(j), float(a[i, j])) for j in order[i]] for i in range(len(x))]
    found = bars(gudhi.WitnessComplex(table).create_simplex_tree(max_alpha_square=alpha, limit_dimension=2))
    found = np.minimum(found, alpha) if len(found) else np.zeros((0, 2))
    ends = np.unique(np.concatenate([found.ravel(), [0, alpha]]))
    times = np.zeros(100)
    for low, high in zip(ends, ends[1:]):
        middle = (low + high) / 2
        times[((found[:, 0] <= middle) & (middle < found[:, 1])).sum()] += (high - low) / alpha
    return times[:5]


rng = np.random.default_rng(21)
t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
circle = np.round(np.stack([np.cos(t), np.sin(t), 0 * t], 1) + 0.1 * rng.normal(size=(40, 3)), 6)
eight = np.round(np.stack([np.sin(t), np.sin(2 * t)], 1) + 0.05 * rng.normal(size=(40, 2)), 6)
chosen = [rng.choice(40, 14, replace=False).tolist() for _ in range(4)]
out = {
    "circle": circle.tolist(),
    "eight": eight.tolist(),
    "divergence": divergence(circle, eight),
    "chosen": chosen,
    "times": {name: [living_times(x, some).tolist() for some in chosen] for name, x in (("circle", circle), ("eight", eight))},
}
folder = pathlib.Path(__file__).parent.parent / "fixtures"
(folder / "topology.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
