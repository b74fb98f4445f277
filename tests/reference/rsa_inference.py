"""Reference values for the uncertainty of RDM comparisons: writes ../fixtures/rsa_inference.json.

Needs numpy, scipy and rsatoolbox 0.3.2. Resamples are index lists handed to rsatoolbox; whitened measures are computed here with a dense
V over the pairs of a resample, because rsatoolbox solves with V by conjugate gradients at a tolerance of 1e-5 and pools whitened
measures by an unwhitened norm.
"""

import json
import pathlib
import warnings

import numpy as np
from rsatoolbox.inference import boot_noise_ceiling
from rsatoolbox.rdm import RDMs, compare
from rsatoolbox.util.inference_util import extract_variances
from scipy.spatial.distance import pdist, squareform

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20251103)
K, P, R, M, N = 10, 12, 4, 3, 6

signal = rng.normal(size=(K, 6))
noisy = lambda share: np.hstack([signal * share, rng.normal(size=(K, P))])
data = np.round([pdist(noisy(1.0), "sqeuclidean") / (P + 6) for _ in range(R)], 4)
models = np.round([pdist(noisy(s), "sqeuclidean") / (P + 6) for s in (2.0, 0.7, 0.0)], 4)
# With ties: a categorical model and a coarse data RDM.
models[0] = pdist((np.arange(K) % 3)[:, None], lambda a, b: float(a[0] != b[0]))
data[1] = np.round(data[1], 1)

draws = [np.arange(K)] + [np.sort(rng.integers(0, K, K)) for _ in range(N - 1)]


def whitened_rows(items, center):
    """Scores and ceilings in the resample of these conditions, by the definition."""
    pairs = [(i, j) for i in range(K) for j in range(i + 1, K) if items[i] != items[j]]
    contrast = np.zeros((len(pairs), K))
    for row, (i, j) in enumerate(pairs):
        contrast[row, i], contrast[row, j] = 1, -1
    v = (contrast @ contrast.T) ** 2

    def vector(rdm):
        square = squareform(rdm)
        x = np.array([square[items[i], items[j]] for i, j in pairs])
        return x - x.mean() if center else x

    inner = lambda a, b: a @ np.linalg.solve(v, b)
    unit = lambda a: a / np.sqrt(inner(a, a))
    a, b = [unit(vector(m)) for m in models], [unit(vector(d)) for d in data]
    scores = [np.mean([inner(m, d) for d in b]) for m in a]
    pool = lambda some: unit(np.sum(some, axis=0))
    upper = np.mean([inner(pool(b), d) for d in b])
    lower = np.mean([inner(pool([o for j, o in enumerate(b) if j != i]), b[i]) for i in range(R)])
    return [*scores, lower, upper]


scores = {}
for method in ("cosine", "corr", "spearman", "rho-a", "tau-a"):
    scores[method] = []
    for items in draws:
        sampled_data = RDMs(data).subsample_pattern("index", list(items))
        sampled_models = RDMs(models).subsample_pattern("index", list(items))
        means = compare(sampled_models, sampled_data, method=method).mean(axis=1)
        scores[method].append([*means, *boot_noise_ceiling(sampled_data, method=method)])
scores["cosine_cov"] = [whitened_rows(items, False) for items in draws]
scores["corr_cov"] = [whitened_rows(items, True) for items in draws]

# Variances of a dual bootstrap from given tables: resamples x (models, lower and upper ceiling).
shared = rng.normal(size=(3, 20, 1))
tables = np.round(0.3 + 0.1 * (rng.normal(size=(3, 20, M + 2)) + shared), 5) * np.array([1.0, 0.7, 0.8])[:, None, None]
covariances = np.array([np.cov(t, rowvar=False, ddof=1) for t in tables])
model_variances, difference_variances, ceiling_gaps = extract_variances(covariances, True, n_rdm=R, n_pattern=K)
a_data, a_conditions = R / (R - 1), K / (K - 1)


def dual(both, by_data, by_condition):
    r, p = a_data * by_data, a_conditions * by_condition
    return min(max(r + p - a_data * a_conditions * (both - by_data - by_condition), r, p), both)


out = {
    "data": data.tolist(),
    "models": models.tolist(),
    "conditions": [np.bincount(items, minlength=K).astype(float).tolist() for items in draws],
    "scores": {name: [[float(v) for v in row] for row in table] for name, table in scores.items()},
    "tests": {
        "both": tables[0].tolist(),
        "by_data": tables[1].tolist(),
        "by_condition": tables[2].tolist(),
        "a_data": a_data,
        "a_conditions": a_conditions,
        "model_variances": model_variances.tolist(),
        "difference_variances": difference_variances.tolist(),
        "below_ceiling_variances": ceiling_gaps[:, 0].tolist(),
        "ceiling_variances": [dual(*(c[i, i] for c in covariances)) for i in (M, M + 1)],
    },
}
path = pathlib.Path(__file__).parent.parent / "fixtures" / "rsa_inference.json"
path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
