"""Reference values for shape distances: the definition in numpy, three inputs of different widths.

Run from the repository root: python tests/reference/shapes.py
"""

import json
from pathlib import Path

import numpy as np


def whiten(x, alpha):
    if alpha > 1 - 1e-7:
        return x
    values, vectors = np.linalg.eigh(x.T @ x)
    values = np.maximum(values, 1e-7)
    d = alpha + (1 - alpha) / np.sqrt(values)
    d *= np.sqrt(values.sum() / (alpha**2 * values + 2 * alpha * (1 - alpha) * np.sqrt(values) + (1 - alpha) ** 2).sum())
    return x @ (vectors * d) @ vectors.T


def distance(x, y, alpha, score):
    width = max(x.shape[1], y.shape[1])
    x, y = (np.pad(z - z.mean(0), ((0, 0), (0, width - z.shape[1]))) for z in (x, y))
    x, y = whiten(x, alpha), whiten(y, alpha)
    u, _, vt = np.linalg.svd(x.T @ y)
    x, y = x @ u, y @ vt.T
    if score == "euclidean":
        return np.linalg.norm(x - y)
    return np.arccos(np.clip((x * y).sum() / (np.linalg.norm(x) * np.linalg.norm(y)), -1, 1))


rng = np.random.default_rng(11)
inputs = [rng.normal(size=(20, width)).round(3) for width in (6, 4, 30)]
cases = []
for alpha in (0, 0.25, 0.5, 1):
    for score in ("angular", "euclidean"):
        distances = [[0 if x is y else float(distance(x, y, alpha, score)) for y in inputs] for x in inputs]
        cases.append({"alpha": alpha, "score": score, "distances": distances})

target = Path(__file__).parent.parent / "fixtures" / "shapes.json"
target.write_text(json.dumps({"inputs": [x.tolist() for x in inputs], "cases": cases}) + "\n")
