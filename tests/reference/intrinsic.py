"""Reference values for intrinsic dimensions: plain numpy over the full distance matrix.

Run from the repository root: python tests/reference/intrinsic.py
"""

import json
from pathlib import Path

import numpy as np


def neighbors(x):
    x = np.unique(x, axis=0)
    distances = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))
    np.fill_diagonal(distances, np.inf)
    return np.sort(distances, axis=1)[:, :-1]


def two_nn(x, fraction=1.0):
    d = neighbors(x)
    n = len(d)
    mu = np.sort(np.log(d[:, 1] / d[:, 0]))
    y = -np.log(1 - np.arange(n) / n)
    kept = int(fraction * n)
    return (mu[:kept] * y[:kept]).sum() / (mu[:kept] ** 2).sum()


def two_nn_likelihood(x):
    d = neighbors(x)
    return len(d) / np.log(d[:, 1] / d[:, 0]).sum()


def levina_bickel(x, inverse):
    d = neighbors(x)
    values = []
    for k in range(10, 21):
        m = 1 / np.log(d[:, [k - 1]] / d[:, : k - 1]).mean(1)
        values.append(1 / (1 / m).mean() if inverse else m.mean())
    return np.mean(values)


def correlation(x):
    x = np.unique(x, axis=0)
    d = np.sort(np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))[np.triu_indices(len(x), 1)])
    low, high = np.quantile(d, [0.01, 0.1])
    r = d[(d >= low) & (d <= high)]
    return np.polyfit(np.log(r), np.log(np.searchsorted(d, r, "left") / len(d)), 1)[0]


rng = np.random.default_rng(11)
x = (rng.normal(size=(60, 3)) @ rng.normal(size=(3, 6)) + 0.05 * rng.normal(size=(60, 6))).round(4)
x[7] = x[3]
x[40] = x[3]
labels = np.repeat(np.arange(6), 10)
within = [two_nn(x[labels == c]) for c in range(6)]
case = {
    "rows": 60, "columns": 6, "x": x.ravel().tolist(), "labels": labels.tolist(),
    "two_nn": two_nn(x), "two_nn_90": two_nn(x, 0.9), "two_nn_likelihood": two_nn_likelihood(x),
    "maximum_likelihood": levina_bickel(x, True), "maximum_likelihood_mean": levina_bickel(x, False),
    "correlation": correlation(x),
    "between": two_nn(np.array([x[labels == c].mean(0) for c in range(6)])),
    "within_mean": np.mean(within), "within_std": np.std(within), "n_distinct": len(np.unique(x, axis=0)),
}
target = Path(__file__).parent.parent / "fixtures" / "intrinsic.json"
target.write_text(json.dumps(case) + "\n")
