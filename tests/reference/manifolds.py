"""Reference values for the geometry of class manifolds: explicit principal directions U_a, pair by pair, in numpy.

Run from the repository root: python tests/reference/manifolds.py
"""

import json
from pathlib import Path

import numpy as np


def cloud(rows):
    """Radius, dimensionality, eigenvalues and directions (rows) of a set of rows."""
    centered = rows - rows.mean(0)
    q = min(rows.shape)
    values, vectors = np.linalg.eigh(centered.T @ centered / (len(rows) - 1))
    values, vectors = np.clip(values[::-1][:q], 0, None), vectors[:, ::-1][:, :q].T
    return np.sqrt(values.mean()), values.sum() ** 2 / (values**2).sum(), values, vectors


def geometry(x, labels, m_shots=None):
    names = list(dict.fromkeys(labels))
    sets = [x[np.array(labels) == name] for name in names]
    k = len(sets)
    centroids = np.array([rows.mean(0) for rows in sets])
    clouds = [cloud(rows) for rows in sets]
    out = {key: np.full((k, k), np.nan) for key in ["signal", "bias", "self", "other", "snr"]}
    for a in range(k):
        for b in range(k):
            if a == b:
                continue
            (ra, da, la, va), (rb, _, lb, vb) = clouds[a], clouds[b]
            ua, ub = np.sqrt(la)[:, None] * va / ra, np.sqrt(lb)[:, None] * vb / rb
            w = (centroids[a] - centroids[b]) / ra
            m = m_shots or len(sets[a])
            signal, bias = np.linalg.norm(w), rb / ra - 1
            own, other = np.linalg.norm(ua @ w), np.linalg.norm(ub @ w)
            out["signal"][a, b], out["bias"][a, b] = signal, bias
            out["self"][a, b], out["other"][a, b] = own, other
            noise = np.sqrt(1 / (da * m) + other**2 / m + own**2)
            out["snr"][a, b] = 0.5 * (signal**2 + ((bias + 1) ** 2 - 1) / m) / noise
    radius, dimensionality = [c[0] for c in clouds], [c[1] for c in clouds]
    between = cloud(centroids)
    published = {
        "bias": out["bias"], "other signal-noise-overlap": out["other"], "self signal-noise-overlap": out["self"],
        "signal": out["signal"], "signal-noise-ratio": out["snr"],
        "within-concept dimensionality": dimensionality, "within-concept radius": radius,
    }
    result = {key: [None if np.isnan(v) else v for v in values.ravel()] for key, values in out.items()}
    result["radius"], result["dimensionality"] = radius, dimensionality
    result["between"] = between[:2]
    result["summary"] = [[name, np.nanmean(values), np.nanstd(values)] for name, values in published.items()]
    return result


rng = np.random.default_rng(5)
cases = []
for name, sizes, p, m_shots in [("wide", [6, 6, 6], 15, None), ("tall", [12, 12], 4, 5), ("unequal", [3, 9, 5, 2], 7, None)]:
    x, labels = [], []
    for c, size in enumerate(sizes):
        x.append(rng.normal(size=p) * 2 + rng.normal(size=(size, p)) * rng.uniform(0.3, 1.5, size=p))
        labels += [f"class {c}"] * size
    order = rng.permutation(len(labels))
    x, labels = np.concatenate(x)[order].round(3), [labels[i] for i in order]
    case = {"name": name, "rows": len(x), "columns": p, "x": x.ravel().tolist(), "labels": labels, "m_shots": m_shots}
    cases.append(case | geometry(x, labels, m_shots))
target = Path(__file__).parent.parent / "fixtures" / "manifolds.json"
target.write_text(json.dumps(cases) + "\n")
