"""Reference values for eigenspectra and dimensionality: numpy, scikit-learn, and index loops.

Run from the repository root: python tests/reference/dimensionality.py
"""

import itertools
import json
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA


def alpha_logspaced(spectrum):
    n = np.logspace(0, np.log10(len(spectrum)), num=50).round().astype(int)
    slope, intercept = np.polyfit(np.log10(n), np.log10(spectrum[n - 1]), 1)
    return -slope, intercept


def alpha_tail_cut(spectrum):
    n = np.arange(1, len(spectrum) + 1)
    n = n[np.log(n) <= 0.95 * np.log(len(spectrum))]
    slope, intercept = np.polyfit(np.log(n), np.log(spectrum[n - 1]), 1)
    return -slope, intercept


def alpha_range(spectrum):
    n = np.arange(11, min(500, len(spectrum)) + 1)
    # polyfit squares its weights.
    slope, intercept = np.polyfit(np.log(n), np.log(spectrum[n - 1]), 1, w=np.sqrt(1 / n))
    return -slope, intercept


def unbiased(phi):
    """The four variants from all seven sums, on data that are not centered."""
    p, q = phi.shape
    a = phi / np.sqrt(p * q)
    g = a @ a.T
    d, r = np.diag(g), g.sum(1)
    c, s, q4, c3 = (a**2).sum(0), a.sum(0), (a**4).sum(0), (a**3).sum(0)
    everything = [
        (g**2).sum(), (d**2).sum(), (d * r).sum(), (r**2).sum(), d.sum() ** 2, d.sum() * g.sum(), g.sum() ** 2,
    ]
    same = [(c**2).sum(), q4.sum(), (s * c3).sum(), (s**2 * c).sum(), (c**2).sum(), (c * s**2).sum(), (s**4).sum()]
    out = {}
    for variant in ["naive", "row", "col", "both"]:
        sums = np.array(everything) - (np.array(same) if variant in ("col", "both") else 0)
        t1, t2, t3, t5, t6, t7, t9 = sums
        if variant in ("naive", "col"):
            out[variant] = (t6 - 2 * t7 / p + t9 / p**2) / (t1 - 2 * t5 / p + t9 / p**2)
        else:
            f3 = 1 / ((p - 1) * (p - 2))
            numerator = t6 - 2 * t7 / (p - 1) + (4 * t3 - p * t2) / (p - 2) + f3 * (t9 - 4 * t5 + 2 * t1 - t6)
            denominator = t1 - p * t2 / (p - 2) + 2 * (2 * t3 - t5) / (p - 2) + f3 * (t6 - 2 * t7 + t9)
            out[variant] = numerator / denominator
    return out


def both_by_loops(phi):
    """Averages over four different rows and two different columns."""
    p, q = phi.shape
    numerator = denominator = 0.0
    for i, j, k, l in itertools.permutations(range(p), 4):
        u = (phi[i] - phi[j]) * (phi[i] - phi[j])
        v = (phi[k] - phi[l]) * (phi[k] - phi[l])
        w = (phi[i] - phi[j]) @ (phi[k] - phi[l])
        numerator += u.sum() * v.sum() - u @ v
        denominator += w * w - u @ v
    return numerator / denominator


rng = np.random.default_rng(27)
small = rng.normal(size=(7, 4)) + 3
assert abs(both_by_loops(small) - unbiased(small)["both"]) < 1e-9

cases = []
for name, n, p in [("tall", 60, 40), ("wide", 25, 40), ("small", 7, 4)]:
    x = rng.normal(size=(n, p)) * np.arange(1, p + 1) ** -0.5 @ np.linalg.qr(rng.normal(size=(p, p)))[0] + rng.normal(size=p)
    x = x.round(3)
    spectrum = PCA().fit(x).explained_variance_
    case = {"name": name, "rows": n, "columns": p, "x": x.ravel().tolist(), "eigenvalues": spectrum.tolist()}
    case["unbiased"] = unbiased(x)
    for key, values in [("entropy", spectrum), ("effective_rank", np.sqrt(spectrum))]:
        share = values[values > 1e-12 * values[0]] / values[values > 1e-12 * values[0]].sum()
        case[key] = np.exp(-(share * np.log(share)).sum())
    case["ed"] = spectrum.sum() ** 2 / (spectrum**2).sum()
    xc = x - x.mean(0)
    centered = {"none": x, "both": xc - xc.mean(1, keepdims=True), "z": xc / xc.std(0)}
    for key, y in centered.items():
        s2 = np.linalg.svd(y, compute_uv=False) ** 2
        case[f"ed_{key}"] = s2.sum() ** 2 / (s2**2).sum()
    case["count_80"] = int(np.argmax(np.cumsum(spectrum) / spectrum.sum() >= 0.8) + 1)
    if n > p > 13:
        case["alpha"] = {
            "logspaced": alpha_logspaced(spectrum), "tail_cut": alpha_tail_cut(spectrum), "range": alpha_range(spectrum),
        }
    cases.append(case)

target = Path(__file__).parent.parent / "fixtures" / "dimensionality.json"
target.write_text(json.dumps(cases) + "\n")

# Poolings of feature maps, and the projection with numpy's legacy generator: two layers, one after the other.
maps = rng.normal(size=(3, 2, 4, 3)).round(3)
np.random.seed(27)
projected = []
for layer in [maps, maps[:, :1]]:
    flat = layer.reshape(len(layer), -1)
    weights = np.random.randn(flat.shape[1], 1024) / np.sqrt(1024)
    projected.append((flat @ weights)[:, :6].ravel().tolist())
pooled = {
    "median": np.median(maps, axis=(2, 3)),
    "l1": np.abs(maps).sum((2, 3)),
    "l2": np.sqrt((maps**2).sum((2, 3))),
    "l1_matrix": np.linalg.norm(maps, ord=1, axis=(2, 3)),
    "l2_matrix": np.linalg.norm(maps, ord=2, axis=(2, 3)),
}
case = {"shape": maps.shape, "x": maps.ravel().tolist(), "projected": projected}
case["pooled"] = {name: values.ravel().tolist() for name, values in pooled.items()}
(target.parent / "pooling.json").write_text(json.dumps(case) + "\n")
