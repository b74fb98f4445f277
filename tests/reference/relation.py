"""Reference values for relations between tables: pandas joins, scipy correlations, numpy least squares.

Run from the repository root: python tests/reference/relation.py
"""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

KEYS = ["architecture", "task", "kind", "source", "layer"]


def residuals(y, columns):
    x = np.column_stack([np.ones(len(y)), *columns])
    return y - x @ np.linalg.lstsq(x, y, rcond=None)[0]


def correlations(x, y):
    (r, p), (rho, p_rho) = stats.pearsonr(x, y), stats.spearmanr(x, y)
    return {"n": len(x), "pearson_r": r, "pearson_p": p, "spearman_r": rho, "spearman_p": p_rho}


def partial(x, y, given):
    out = {}
    for name, (a, b, c) in {
        "pearson": (x, y, given),
        "spearman": (stats.rankdata(x), stats.rankdata(y), [stats.rankdata(g) for g in given]),
    }.items():
        r = np.corrcoef(residuals(a, c), residuals(b, c))[0, 1]
        dof = len(x) - 2 - len(given)
        out[f"{name}_r"] = r
        out[f"{name}_p"] = 2 * stats.t.sf(abs(r) * np.sqrt(dof / (1 - r * r)), dof)
    return out


def signed_r2(y, columns):
    r2 = 1 - (residuals(y, columns) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    return np.sign(np.corrcoef(columns[0], y)[0, 1]) * r2 if len(columns) == 1 else r2


def commonality(y, columns):
    everything = range(len(columns))
    r = {s: signed_r2(y, [columns[i] for i in s]) if s else 0 for k in range(len(columns) + 1) for s in itertools.combinations(everything, k)}
    out = []
    for k in range(1, len(columns) + 1):
        for chosen in itertools.combinations(everything, k):
            others = [i for i in everything if i not in chosen]
            subsets = (t for size in range(k + 1) for t in itertools.combinations(chosen, size))
            out.append(sum((-1) ** (len(t) + 1) * r[tuple(sorted([*others, *t]))] for t in subsets))
    return out + [r[tuple(everything)]]


def band(x, y, degree):
    coefficients = np.polyfit(x, y, degree)[::-1]
    grid = np.linspace(x.min(), x.max(), 101)
    design, at = np.vander(x, degree + 1, increasing=True), np.vander(grid, degree + 1, increasing=True)
    rest = y - design @ coefficients
    dof = len(x) - degree - 1
    spread = np.sqrt((rest**2).sum() / dof * np.einsum("ij,jk,ik->i", at, np.linalg.inv(design.T @ design), at))
    half = stats.t.ppf(0.975, dof) * spread
    r2 = 1 - (rest**2).sum() / ((y - y.mean()) ** 2).sum()
    return {"coefficients": coefficients, "r2": r2, "low": (at @ coefficients - half)[::20], "high": (at @ coefficients + half)[::20]}


rng = np.random.default_rng(42)
rows = []
for architecture, layers in [("ResNet18", 8), ("AlexNet", 5)]:
    for task, kind, source in [("None", "Untrained", "PyTorch"), ("Denoising", "Supervised", "Taskonomy"), ("SimCLR", "Self-Supervised", "VVS")]:
        for i in range(layers):
            rows.append([architecture, task, kind, source, f"layer{i + 1}.relu"])
table = pd.DataFrame(rows, columns=KEYS)
n = len(table)
table["effective dimensionality"] = np.exp(rng.normal(2, 0.8, n)).round(3)
table["ambient"] = rng.integers(64, 2048, n)
table["signal"] = (np.log(table["effective dimensionality"]) + rng.normal(0, 0.6, n)).round(3)
table["score"] = (0.1 * np.log10(table["effective dimensionality"]) + 0.02 * table["signal"] + rng.normal(0.2, 0.04, n)).round(3)

scores = table[[*KEYS, "score"]].sample(frac=1, random_state=1)
scores = scores[~((scores.architecture == "AlexNet") & (scores.layer == "layer5.relu"))]
metrics = table.drop(columns="score")
first, second = metrics[metrics.architecture == "ResNet18"], metrics[metrics.architecture == "AlexNet"]
second = second[second.columns[::-1]]

joined = metrics.merge(scores, on=KEYS)
ed, score = joined["effective dimensionality"].to_numpy(), joined["score"].to_numpy()
log_ed = np.log10(ed)
model = KEYS[:4]
joined["rank"] = joined.groupby(model, sort=False).cumcount()
joined["depth"] = joined["rank"] / (joined.groupby(model)["rank"].transform("max"))
best = joined.sort_values(["score", "rank"]).groupby(model, sort=False).tail(1)
columns = [log_ed, joined["signal"].to_numpy(), joined["ambient"].to_numpy(dtype=float)]
out = {
    "tables": {name: t.to_csv(index=False) for name, t in [("resnets", first), ("alexnets", second), ("scores", scores)]},
    "raw": correlations(ed, score),
    "log": correlations(log_ed, score),
    "best": correlations(np.log10(best["effective dimensionality"]), best["score"]),
    "groups": {k: correlations(np.log10(g["effective dimensionality"]), g["score"]) for k, g in joined.groupby("kind", sort=False)},
    "depth": list(joined["depth"]),
    "partial": partial(log_ed, score, [np.log10(columns[2])]),
    "partial_two": partial(log_ed, score, columns[1:]),
    "line": band(log_ed, score, 1),
    "quadratic": band(log_ed, score, 2),
    "two": commonality(score, columns[:2]),
    "three": commonality(score, columns),
}

target = Path(__file__).parent.parent / "fixtures" / "relation.json"
target.write_text(json.dumps(out, default=lambda v: v.tolist()) + "\n")
