"""Reference values for RDMs of repeated measurements: writes ../fixtures/rsa_data.json.

Needs numpy and rsatoolbox 0.3.2. Where rsatoolbox departs from the definition (named below) the value is computed here.
"""

import json
import pathlib
import warnings

import numpy as np
from rsatoolbox.data import Dataset
from rsatoolbox.data.noise import prec_from_measurements, cov_from_residuals
from rsatoolbox.rdm import RDMs, calc_rdm
from rsatoolbox.rdm.calc_unbalanced import calc_rdm_unbalanced
from rsatoolbox.rdm.combine import rescale
from rsatoolbox.rdm.transform import geotopological_transform, rank_transform

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20251104)
K, P, M = 6, 7, 3

patterns = rng.gamma(2.0, 2.0, size=(K, P))
conditions, folds, rows = [], [], []
for fold in range(M):
    for condition in rng.permutation(K):
        conditions.append(int(condition))
        folds.append(fold)
        rows.append(np.abs(patterns[condition] + rng.normal(scale=0.8, size=P)))
rows = np.round(rows, 3)
conditions, folds = np.array(conditions), np.array(folds)
# Conditions appear in another order than their numbers: rsatoolbox sorts RDMs by first appearance, too.
order = list(dict.fromkeys(conditions.tolist()))


def dataset(select=slice(None)):
    return Dataset(rows[select], obs_descriptors={"cond": conditions[select], "run": folds[select]})


def vector(rdm, order=order):
    """The pairs in the order of first appearance."""
    place = [list(rdm.pattern_descriptors["cond"]).index(c) for c in order]
    square = rdm.get_matrices()[0]
    return [float(square[place[i], place[j]]) for i in range(K) for j in range(i + 1, K)]


precision = np.round(np.linalg.inv(np.cov(rng.normal(size=(40, P)), rowvar=False)), 4)
precision = (precision + precision.T) / 2
residuals = np.round(rng.normal(size=(3 * 9, P)) @ (np.eye(P) + 0.4 * rng.normal(size=(P, P))), 3)
runs = np.repeat(np.arange(3), 9)
centered = np.concatenate([residuals[runs == r] - residuals[runs == r].mean(axis=0) for r in range(3)])

covariances = {m: cov_from_residuals(centered, dof=len(centered) - 3, method=m).tolist() for m in ("full", "diag", "shrinkage_eye", "shrinkage_diag")}
per_fold = [np.linalg.inv(cov_from_residuals(residuals[runs == r], method="shrinkage_diag")) for r in range(3)]

out = {
    "sqeuclidean": vector(calc_rdm(dataset(), method="euclidean", descriptor="cond")),
    "correlation": vector(calc_rdm(dataset(), method="correlation", descriptor="cond")),
    "mahalanobis": vector(calc_rdm(dataset(), method="mahalanobis", descriptor="cond", noise=precision)),
    "crossnobis": vector(calc_rdm(dataset(), method="crossnobis", descriptor="cond", cv_descriptor="run")),
    "crossnobis precision": vector(calc_rdm(dataset(), method="crossnobis", descriptor="cond", cv_descriptor="run", noise=precision)),
    "crossnobis per_fold": vector(calc_rdm(dataset(), method="crossnobis", descriptor="cond", cv_descriptor="run", noise=per_fold)),
    "crossnobis measurements": vector(
        calc_rdm(dataset(), method="crossnobis", descriptor="cond", cv_descriptor="run",
                 # One degree of freedom less for each condition; rsatoolbox takes (K - 1) M.
                 noise=prec_from_measurements(dataset(), obs_desc="cond", dof=K * (M - 1), method="shrinkage_eye"))
    ),
}


def poisson_cv(prior_lambda=1.0, prior_weight=0.1):
    """All folds: rsatoolbox 0.3.2 keeps the last one."""
    mixed = lambda x: (x + prior_lambda * prior_weight) / (1 + prior_weight)
    total = np.zeros((K, K))
    for fold in range(M):
        mean = lambda c, inside: rows[(conditions == c) & ((folds == fold) == inside)].mean(axis=0)
        train = mixed(np.array([mean(c, False) for c in order]))
        test = np.log(mixed(np.array([mean(c, True) for c in order])))
        kernel = train @ test.T / P
        diagonal = np.diag(kernel)
        total += diagonal[:, None] + diagonal[None, :] - kernel - kernel.T
    return [float(total[i, j] / M) for i in range(K) for j in range(i + 1, K)]


out["poisson_cv"] = poisson_cv()

# Unbalanced: a condition is missing from a fold, some values are missing.
keep = ~((conditions == order[1]) & (folds == 0))
gaps = rows[keep].copy()
gaps[2, 3] = gaps[9, 0] = gaps[9, 5] = np.nan
unbalanced = Dataset(gaps, obs_descriptors={"cond": conditions[keep], "run": folds[keep]})
gap_order = list(dict.fromkeys(conditions[keep].tolist()))
out["row_pairs"] = {}
for weight in ("number", "equal"):
    plain = calc_rdm_unbalanced(unbalanced, method="euclidean", descriptor="cond", weighting=weight, enforce_same=False)
    crossed = calc_rdm_unbalanced(unbalanced, method="crossnobis", descriptor="cond", cv_descriptor="run", weighting=weight, enforce_same=False)
    out["row_pairs"][weight] = {"sqeuclidean": vector(plain, gap_order), "crossnobis": vector(crossed, gap_order)}


def equal_row_pairs():
    """By the definition: rsatoolbox 0.3.2 gives rows with themselves the weight 1 / 2 in whole numbers, which is 0."""
    codes = conditions[keep]

    def similarity(a, b):
        products = [gaps[i] * gaps[j] for i in np.flatnonzero(codes == a) for j in np.flatnonzero(codes == b)]
        return np.mean([np.nanmean(p) for p in products])

    s = np.array([[similarity(a, b) for b in gap_order] for a in gap_order])
    return [float(s[i, i] + s[j, j] - 2 * s[i, j]) for i in range(K) for j in range(i + 1, K)]


out["row_pairs"]["equal"]["sqeuclidean"] = equal_row_pairs()


def condition_covariance():
    means = np.array([[rows[(conditions == c) & (folds == f)].mean(axis=0) for c in order] for f in range(M)])
    deviation = means - means.mean(axis=0)
    return sum(d @ d.T for d in deviation) / ((M - 1) * P)


out.update(
    rows=rows.tolist(), conditions=conditions.tolist(), folds=folds.tolist(), precision=precision.tolist(),
    residuals=residuals.tolist(), runs=runs.tolist(), covariances=covariances,
    gaps=[[None if np.isnan(v) else float(v) for v in row] for row in gaps],
    gap_conditions=conditions[keep].tolist(), gap_folds=folds[keep].tolist(),
    condition_covariance=condition_covariance().tolist(),
)
sq = calc_rdm(dataset(), method="euclidean", descriptor="cond")
out["transforms"] = {
    "rank": vector(rank_transform(sq)),
    "geo_topological": vector(geotopological_transform(sq, 0.2, 0.8)),
}
# Partial RDMs brought to one scale: three RDMs with missing pairs.
pairs = K * (K - 1) // 2
partial = np.array([scale * np.array(out["sqeuclidean"]) * rng.uniform(0.8, 1.2, pairs) for scale in (0.2, 1.0, 3.0)])
partial[0, [0, 4, 9]] = partial[1, [2, 4]] = partial[2, [7]] = np.nan
out["partial"] = {"rdms": [[None if np.isnan(v) else float(v) for v in row] for row in partial], "pooled": {}}
for how in ("evidence", "setsize", "simple"):
    scaled = rescale(RDMs(partial), how)
    weights = scaled.rdm_descriptors["rescalingWeights"]
    pooled = np.nansum(scaled.dissimilarities * weights, axis=0) / np.nansum(weights, axis=0)
    out["partial"]["pooled"][how] = [[float(v)] for v in pooled]

path = pathlib.Path(__file__).parent.parent / "fixtures" / "rsa_data.json"
path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
