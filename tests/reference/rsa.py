"""Reference values for RDMs and their comparison: writes ../fixtures/rsa.json.

Needs numpy, scipy and rsatoolbox 0.3.2. Where rsatoolbox departs from the definition (named below) the value is computed here
from the definition, with dense matrices.
"""

import json
import pathlib
import warnings

import numpy as np
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import RDMs, calc_rdm, compare
from rsatoolbox.inference import boot_noise_ceiling
from rsatoolbox.rdm.compare import _bures_similarity_second_way, _sq_bures_metric_second_way
from rsatoolbox.util.inference_util import pool_rdm
from scipy import linalg, optimize, stats
from scipy.spatial.distance import pdist, squareform

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20240611)
K, P, R, M = 12, 20, 4, 3


def spd(n, spread):
    a = rng.normal(size=(n, 3 * n))
    return np.round(a @ a.T / (3 * n) * spread + np.eye(n), 3)


# RDMs of one data set.
x = np.round(rng.gamma(2.0, 3.0, size=(K, P)), 2)
precision = spd(P, 0.8)
dataset = Dataset(x, obs_descriptors={"cond": np.arange(K)})
toolbox = lambda method, **kw: calc_rdm(dataset, method=method, **kw).get_vectors()[0]
sigma = 7.5
rdm = {
    "correlation": toolbox("correlation"),
    "cosine": pdist(x, "cosine"),
    "sqeuclidean": toolbox("euclidean"),
    "sqeuclidean_remove_mean": toolbox("euclidean", remove_mean=True),
    "sqeuclidean_plain": pdist(x, "sqeuclidean"),
    "euclidean": pdist(x, "euclidean"),
    "mahalanobis": toolbox("mahalanobis", noise=precision),
    "poisson": toolbox("poisson", prior_lambda=1.0, prior_weight=0.1),
    "gaussian": -np.expm1(-pdist(x, "sqeuclidean") / (2 * sigma**2)),
    "minkowski_3": pdist(x, "minkowski", p=3),
    "minkowski_2.5": pdist(x, "minkowski", p=2.5),
    "cityblock": pdist(x, "cityblock"),
    "chebyshev": pdist(x, "chebyshev"),
}

# RDMs to compare: subjects share a signal, models resemble it more or less. Squared Euclidean distances.
signal = rng.normal(size=(K, 6))
noisy = lambda share: np.hstack([signal * share, rng.normal(size=(K, P))])
data = np.array([pdist(noisy(1.0), "sqeuclidean") / (P + 6) for _ in range(R)])
models = np.array([pdist(noisy(s), "sqeuclidean") / (P + 6) for s in (2.0, 0.7, 0.0)])
# With ties: rounded to one decimal; the first model is categorical.
tied_data = np.round(data, 1)
tied_models = np.round(models, 1)
tied_models[0] = pdist((np.arange(K) % 3)[:, None], lambda a, b: float(a[0] != b[0]))
sigma_k = spd(K, 0.9)

contrasts = np.array([np.eye(K)[i] - np.eye(K)[j] for i in range(K) for j in range(i + 1, K)])


def v_matrix(s=None):
    xi = contrasts @ (np.eye(K) if s is None else s) @ contrasts.T
    return xi * xi


def whitened(a, b, v, center):
    if center:
        a, b = a - a.mean(), b - b.mean()
    inner = lambda p, q: p @ np.linalg.solve(v, q)
    return inner(a, b) / np.sqrt(inner(a, a) * inner(b, b))


def table(function, left, right):
    return [[float(function(a, b)) for b in right] for a in left]


def riemannian(a, b, s=None):
    """Nelder-Mead from several starts with tight tolerances: rsatoolbox stops at 1e-4 from (0, 0)."""
    p = np.hstack([-np.ones((K - 1, 1)), np.eye(K - 1)])
    g0 = p @ (np.eye(K) if s is None else s) @ p.T
    moments = lambda d: 0.5 * (d[0, 1:, None] + d[0, None, 1:] - d[1:, 1:])
    ga, gb = moments(squareform(a)), moments(squareform(b))

    def cost(t):
        values = linalg.eigvalsh(np.exp(t[0]) * ga + np.exp(t[1]) * g0, gb)
        return np.sqrt((np.log(values) ** 2).sum()) if values.min() > 0 else np.inf

    options = {"xatol": 1e-10, "fatol": 1e-13, "maxiter": 4000}
    starts = [(0, 0), (0, -5), (-5, 0), (-3, 3)]
    return -min(optimize.minimize(cost, s, method="Nelder-Mead", options=options).fun for s in starts)


scores = {m: compare(RDMs(models), RDMs(data), method=m).tolist()
          for m in ("cosine", "corr", "spearman", "rho-a", "tau-a", "cosine_cov", "corr_cov")}
scores["tau-b"] = compare(RDMs(models), RDMs(data), method="kendall").tolist()
# rsatoolbox takes roots of eigenvalues that are zero but for rounding (1e-8 each) and returns the square of the metric:
# its own second way, by singular values, is exact.
h = np.eye(K) - 1 / K
gram = lambda r: -0.5 * h @ squareform(r) @ h
scores["bures"] = table(lambda a, b: _bures_similarity_second_way(gram(a), gram(b)), models, data)
scores["bures_metric"] = table(lambda a, b: np.sqrt(_sq_bures_metric_second_way(gram(a), gram(b))), models, data)
scores["neg_riem_dist"] = table(riemannian, models, data)
scores["euclidean"] = table(lambda a, b: np.linalg.norm(a - b), models, data)
# rsatoolbox solves with V by conjugate gradients at a tolerance of 1e-5: dense solves here.
v = v_matrix(sigma_k)
with_sigma = {
    "cosine_cov": table(lambda a, b: whitened(a, b, v, False), models, data),
    "corr_cov": table(lambda a, b: whitened(a, b, v, True), models, data),
    "neg_riem_dist": table(lambda a, b: riemannian(a, b, sigma_k), models, data),
}
tied = {m: compare(RDMs(tied_models), RDMs(tied_data), method=m).tolist() for m in ("spearman", "rho-a", "tau-a")}
tied["tau-b"] = compare(RDMs(tied_models), RDMs(tied_data), method="kendall").tolist()


def ceiling(method):
    lower, upper = boot_noise_ceiling(RDMs(data), method=method)
    return [float(lower), float(upper)]


def whitened_ceiling(v, center):
    """Pools normalized in the whitened metric: with rsatoolbox's plain norm the upper ceiling is not the maximum."""
    rows = data - data.mean(1, keepdims=True) if center else data
    rows = np.array([r / np.sqrt(r @ np.linalg.solve(v, r)) for r in rows])
    score = lambda keep, s: whitened(rows[keep].mean(0), rows[s], v, center)
    every = np.arange(R)
    return [float(np.mean([score(every != s, s) for s in every])), float(np.mean([score(every >= 0, s) for s in every]))]


def bures_ceiling():
    grams = np.array([gram(r) for r in data])
    grams /= np.trace(grams, axis1=1, axis2=2)[:, None, None]
    score = _bures_similarity_second_way
    every = np.arange(R)
    return [float(np.mean([score(grams[every != s].mean(0), grams[s]) for s in every])),
            float(np.mean([score(grams.mean(0), grams[s]) for s in every]))]


ceilings = {m: ceiling(m) for m in ("cosine", "corr", "spearman", "rho-a", "tau-a")}
# boot_noise_ceiling knows tau-b only as a pooling method.
ceilings["tau-b"] = [
    float(np.mean([stats.kendalltau(pool_rdm(RDMs(np.delete(data, s, 0)), "tau-b").get_vectors()[0], data[s]).statistic for s in range(R)])),
    float(np.mean([stats.kendalltau(pool_rdm(RDMs(data), "tau-b").get_vectors()[0], data[s]).statistic for s in range(R)])),
]
ceilings["cosine_cov"] = whitened_ceiling(v_matrix(), False)
ceilings["corr_cov"] = whitened_ceiling(v_matrix(), True)
ceilings["cosine_cov sigma_k"] = whitened_ceiling(v, False)
ceilings["corr_cov sigma_k"] = whitened_ceiling(v, True)
ceilings["bures"] = bures_ceiling()

test = stats.ttest_1samp(np.array(scores["corr"]), 0, axis=1, alternative="greater")
summary = {"mean": np.mean(scores["corr"], axis=1).tolist(),
           "sem": stats.sem(np.array(scores["corr"]), axis=1, ddof=1).tolist(), "p_vs_0": test.pvalue.tolist()}

# Missing pairs: other ones in every data RDM; the third model has some too. Pairs in both are compared.
gaps_data, gaps_models = tied_data.copy(), tied_models.copy()
for s in range(R):
    gaps_data[s, rng.permutation(len(contrasts))[: 3 + s]] = np.nan
gaps_models[2, rng.permutation(len(contrasts))[:5]] = np.nan
# The last data RDM lacks condition 4 altogether.
gaps_data[3, np.abs(contrasts[:, 4]) > 0] = np.nan


def on_shared(function):
    def score(a, b):
        ok = np.isfinite(a) & np.isfinite(b)
        return function(a[ok], b[ok], ok)
    return table(score, gaps_models, gaps_data)


gaps = {
    "cosine": on_shared(lambda a, b, ok: a @ b / np.linalg.norm(a) / np.linalg.norm(b)),
    "corr": on_shared(lambda a, b, ok: stats.pearsonr(a, b)[0]),
    "spearman": on_shared(lambda a, b, ok: stats.spearmanr(a, b)[0]),
    "rho-a": on_shared(lambda a, b, ok: compare(a[None], b[None], "rho-a")[0, 0]),
    "tau-a": on_shared(lambda a, b, ok: compare(a[None], b[None], "tau-a")[0, 0]),
    "tau-b": on_shared(lambda a, b, ok: stats.kendalltau(a, b)[0]),
    "euclidean": on_shared(lambda a, b, ok: np.linalg.norm(a - b)),
    "cosine_cov": on_shared(lambda a, b, ok: whitened(a, b, v_matrix()[np.ix_(ok, ok)], False)),
    "corr_cov": on_shared(lambda a, b, ok: whitened(a, b, v_matrix()[np.ix_(ok, ok)], True)),
    "cosine_cov sigma_k": on_shared(lambda a, b, ok: whitened(a, b, v[np.ix_(ok, ok)], False)),
    "corr_cov sigma_k": on_shared(lambda a, b, ok: whitened(a, b, v[np.ix_(ok, ok)], True)),
}

plain = lambda a: [[None if np.isnan(w) else float(w) for w in row] for row in np.atleast_2d(a)]
out = {
    "x": plain(x), "precision": plain(precision), "sigma": sigma,
    "rdm": {name: np.asarray(value).tolist() for name, value in rdm.items()},
    "data": plain(data), "models": plain(models), "sigma_k": plain(sigma_k),
    "scores": scores, "with_sigma": with_sigma, "ceilings": ceilings, "summary": summary,
    "tied_data": plain(tied_data), "tied_models": plain(tied_models), "tied": tied,
    "gaps_data": plain(gaps_data), "gaps_models": plain(gaps_models), "gaps": gaps,
}
path = pathlib.Path(__file__).parent.parent / "fixtures" / "rsa.json"
path.write_text(json.dumps(out, indent=None, separators=(",", ":")) + "\n")
print(path, path.stat().st_size)
