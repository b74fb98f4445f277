"""Reference values for measures of similarity: the definitions in numpy, the naive way (n x n kernels, loops), scipy where it has the function.

Run from the repository root: python tests/reference/similarity.py
"""

import json
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial.distance import cdist, pdist, squareform
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import KFold, cross_val_predict


def centered(x):
    return x - x.mean(0)


def padded(x, width):
    return np.pad(x, ((0, 0), (0, width - x.shape[1])))


def hsic(k, l, kind):
    n = len(k)
    h = np.eye(n) - 1 / n
    if kind == "gretton":
        return np.trace(k @ h @ l @ h)
    if kind == "lange":
        a, b = h @ k @ h, h @ l @ h
        return (a * b).sum() - (np.diag(a) * np.diag(b)).sum()
    k, l, one = k - np.diag(np.diag(k)), l - np.diag(np.diag(l)), np.ones(n)
    return ((k * l.T).sum() + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ k @ l @ one) / (n * (n - 3))


def alignment(k, l, kind):
    with np.errstate(invalid="ignore"):
        return hsic(k, l, kind) / np.sqrt(hsic(k, k, kind) * hsic(l, l, kind))


def kernels(x):
    d = squareform(pdist(x))
    median = np.median(pdist(x))
    return {
        "linear": x @ x.T,
        "(rbf-sigma=1.0)": np.exp(-(d**2) / 2),
        "(rbf-sigma=median*0.5)": np.exp(-(d**2) / (2 * (0.5 * median) ** 2)),
        "(laplace-sigma=1.0)": np.exp(-d / np.sqrt(2)),
    }


def basis(x):
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    return u[:, s > max(x.shape) * np.finfo(float).eps * s[0]]


def components(x, keep):
    u, s, _ = np.linalg.svd(centered(x), full_matrices=False)
    share = np.cumsum(s**2) / (s**2).sum()
    k = keep if keep >= 1 else int(np.argmax(share >= keep)) + 1
    return (u * s)[:, :k]


def canonical(x, y):
    return np.minimum(np.linalg.svd(basis(centered(x)).T @ basis(centered(y)), compute_uv=False), 1)


def projection_weighted(x, y):
    # The first set is the one of smaller rank, the first of equals.
    x, y = centered(x), centered(y)
    if basis(y).shape[1] < basis(x).shape[1]:
        x, y = y, x
    u, rho, _ = np.linalg.svd(basis(x).T @ basis(y), full_matrices=False)
    weights = np.abs((basis(x) @ u).T @ x).sum(1)
    return (weights * rho).sum() / weights.sum()


def shared_routine(x, y, is_signed=True):
    """The routine that packages share, with the signs of its decomposition or with those of largest components."""
    if y.shape[1] < x.shape[1]:
        x, y = y, x
    a, p = x.T, x.shape[1]
    covariance = np.cov(a, y.T)
    m = inverse_root(covariance[:p, :p]) @ covariance[:p, p:] @ inverse_root(covariance[p:, p:])
    u, rho, _ = np.linalg.svd(m)
    if is_signed:
        u = u * np.sign(u[np.abs(u).argmax(0), np.arange(p)])
    means = a.mean(1, keepdims=True)
    q, _ = np.linalg.qr((u.T @ (a - means) + means).T)
    weights = np.abs(q.T @ a.T).sum(1)
    return (weights * rho).sum() / weights.sum()


def inverse_root(m):
    w, v = np.linalg.eigh(m)
    return v @ np.diag(w**-0.5) @ v.T


def rotation(x, y):
    u, _, vt = np.linalg.svd(x.T @ y)
    return u @ vt


def cosine(a, b):
    return (a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b))


def gulp(x, y, penalty):
    n = len(x)
    a, b = (np.sqrt(n) * centered(z) / np.linalg.norm(centered(z)) for z in (x, y))
    s, t, c = a.T @ a / n, b.T @ b / n, a.T @ b / n
    invert = lambda m: np.linalg.pinv(m + penalty * np.eye(len(m)), rcond=1e-12)
    p, q = invert(s), invert(t)
    return np.trace(p @ s @ p @ s) + np.trace(q @ t @ q @ t) - 2 * np.trace(p @ c @ q @ c.T)


def participation(x):
    w = np.linalg.eigvalsh(centered(x).T @ centered(x))
    return w.sum() ** 2 / (w**2).sum()


def shared_dimensions(x, y):
    k, l = centered(x) @ centered(x).T, centered(y) @ centered(y).T
    return participation(x) * participation(y) * np.trace(k @ l) / (np.trace(k) * np.trace(l))


def distance_correlation(x, y, corrected):
    a, b, n = squareform(pdist(x)), squareform(pdist(y)), len(x)
    if not corrected:
        a, b = (d - d.mean(0) - d.mean(1)[:, None] + d.mean() for d in (a, b))
        return np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean()))
    center = lambda d: d - d.sum(0) / (n - 2) - d.sum(1)[:, None] / (n - 2) + d.sum() / ((n - 1) * (n - 2))
    a, b = center(a), center(b)
    np.fill_diagonal(a, 0)
    np.fill_diagonal(b, 0)
    return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())


def neighbors(similarity, k):
    s = similarity.copy()
    np.fill_diagonal(s, -np.inf)
    return np.argsort(-s, axis=1, kind="stable")[:, :k]


def cosines(x):
    return 1 - cdist(x, x, "cosine")


def subsequence(a, b):
    t = np.zeros((len(a) + 1, len(b) + 1), int)
    for i, u in enumerate(a):
        for j, v in enumerate(b):
            t[i + 1, j + 1] = t[i, j] + 1 if u == v else max(t[i, j + 1], t[i + 1, j])
    return t[-1, -1]


def edits(a, b):
    t = np.add.outer(np.arange(len(a) + 1), np.arange(len(b) + 1))
    for i, u in enumerate(a):
        for j, v in enumerate(b):
            t[i + 1, j + 1] = min(t[i, j] + (u != v), t[i, j + 1] + 1, t[i + 1, j] + 1)
    return t[-1, -1]


def neighbor_measures(x, y, k):
    a, b = neighbors(cosines(x), k), neighbors(cosines(y), k)
    p, q = neighbors(cosines(centered(x)), k), neighbors(cosines(centered(y)), k)
    g, h = neighbors(x @ x.T, k), neighbors(y @ y.T, k)
    n = len(x)
    jaccard = lambda a, b: np.mean([len(set(u) & set(v)) / len(set(u) | set(v)) for u, v in zip(a, b)])

    def rank(u, v):
        both = [(r + 1, list(v).index(i) + 1) for r, i in enumerate(u) if i in v]
        return sum(2 / ((1 + abs(r - s)) * (r + s)) for r, s in both) / sum(1 / m for m in range(1, len(both) + 1)) if both else 0

    def second(i):
        union = sorted(set(a[i]) | set(b[i]))
        return cosine(1 - cosines(x)[i, union], 1 - cosines(y)[i, union])

    inside = lambda near: np.array([[i != j and j in near[i] for j in range(n)] for i in range(n)])
    both = inside(g) & inside(h)
    with np.errstate(invalid="ignore"):
        cknna = hsic(both * (x @ x.T), both * (y @ y.T), "song") / np.sqrt(
            hsic(inside(g) * (x @ x.T), inside(g) * (x @ x.T), "song") * hsic(inside(h) * (y @ y.T), inside(h) * (y @ y.T), "song")
        )
    return {
        f"jaccard-k={k}-score": jaccard(a, b),
        f"jaccard-centered-k={k}-score": jaccard(p, q),
        f"mutual_knn-k={k}-score": np.mean([len(set(u) & set(v)) / k for u, v in zip(g, h)]),
        f"cycle_knn-k={k}-score": np.mean([any(i in g[j] for j in h[i]) for i in range(n)]),
        f"lcs_knn-k={k}-score": np.mean([subsequence(u, v) / k for u, v in zip(g, h)]),
        f"edit_knn-k={k}-score": np.mean([1 - edits(u, v) / k for u, v in zip(g, h)]),
        f"cknna-k={k}-score": cknna,
        f"rank_similarity-k={k}-score": np.mean([rank(u, list(v)) for u, v in zip(a, b)]),
        f"second_order_cosine-k={k}-score": np.mean([second(i) for i in range(n)]),
    }


def transport(c):
    p, q = c.shape
    rows = np.kron(np.eye(p), np.ones(q))
    columns = np.kron(np.ones(p), np.eye(q))
    found = linprog(-c.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.r_[np.full(p, 1 / p), np.full(q, 1 / q)], method="highs")
    return -found.fun


def matching_measures(x, y):
    c = np.corrcoef(x.T, y.T)[: x.shape[1], x.shape[1] :]
    i, j = linear_sum_assignment(c, maximize=True)
    width = max(x.shape[1], y.shape[1])
    cross = padded(centered(x), width).T @ padded(centered(y), width)
    k, l = linear_sum_assignment(cross, maximize=True)
    matched = np.clip(cross[k, l].sum() / (np.linalg.norm(centered(x)) * np.linalg.norm(centered(y))), -1, 1)
    return {
        "hard_correlation-score": c[i, j].mean(),
        "soft_correlation-score": (c.max(0).mean() + c.max(1).mean()) / 2,
        "soft_matching-score": transport(c),
        "soft_matching-distance=euclidean": np.sqrt(2 - 2 * transport(c)),
        "permutation-distance=angular": np.arccos(matched),
    }


def heat(x, k):
    near = neighbors(-squareform(pdist(x)), k)
    a = np.zeros((len(x), len(x)))
    for i, all_near in enumerate(near):
        a[i, all_near] = a[all_near, i] = 1
    d = a.sum(0)
    w = np.linalg.eigvalsh(np.eye(len(x)) - a / np.sqrt(np.outer(d, d)))
    t = np.logspace(-1, 1, 256)
    return np.exp(-np.outer(t, w)).mean(1)


def heat_difference(x, y, k):
    t = np.logspace(-1, 1, 256)
    return (np.exp(-2 * (t + 1 / t)) * np.abs(heat(x, k) - heat(y, k))).max()


def predictivity(x, y):
    pearson = lambda a, b: np.mean([stats.pearsonr(u, v)[0] for u, v in zip(a.T, b.T)])
    folds = []
    for train, test in KFold(5).split(x):
        folds.append(pearson(Ridge(alpha=1.0).fit(x[train], y[train]).predict(x[test]), y[test]))
    r2 = lambda x, y: 1 - ((y - LinearRegression().fit(x, y).predict(x)) ** 2).sum() / (centered(y) ** 2).sum()
    return {
        "linreg-r2-y_from_x": r2(x, y),
        "linreg-r2-x_from_y": r2(y, x),
        "ridge-lambda=1-pearson-y_from_x": pearson(Ridge(alpha=1.0).fit(x, y).predict(x), y),
        "ridge-lambda=1-cv=5folds-foldmean-pearson-y_from_x": np.mean(folds),
        "ridge-lambda=1-cv=5folds-pool-pearson-y_from_x": pearson(cross_val_predict(Ridge(alpha=1.0), x, y, cv=KFold(5)), y),
        "pls-k=3-pearson-y_from_x": pearson(PLSRegression(3, scale=False, tol=1e-13, max_iter=10000).fit(x, y).predict(x), y),
    }


def batched(x, y, rows):
    starts = range(0, len(x) - rows + 1, rows)
    total = lambda u, v: sum(hsic(*(z[i : i + rows] @ z[i : i + rows].T for z in (u, v)), "song") for i in starts)
    return total(x, y) / np.sqrt(total(x, x) * total(y, y))


def held_out(x, y):
    width, angles = max(x.shape[1], y.shape[1]), []
    for train, test in KFold(5).split(x):
        a, b = (padded(z, width) for z in (x, y))
        mx, my = a[train].mean(0), b[train].mean(0)
        angles.append(np.arccos(np.clip(cosine((a[test] - mx) @ rotation(a[train] - mx, b[train] - my), b[test] - my), -1, 1)))
    return np.mean(angles)


def measures(x, y):
    n, p, q = len(x), x.shape[1], y.shape[1]
    a, b = centered(x), centered(y)
    out = {}
    for (name, k), l in zip(kernels(x).items(), kernels(y).values()):
        for kind in ("gretton", "song", "lange"):
            out[f"cka-kernel={name}-hsic={kind}-score"] = alignment(k, l, kind)
    for rdm, metric in [("correlation", "correlation"), ("euclidean", "euclidean"), ("squared_euclidean", "sqeuclidean"), ("cosine", "cosine")]:
        u, v = pdist(x, metric), pdist(y, metric)
        out[f"rsa-rdm={rdm}-compare=pearson-score"] = stats.pearsonr(u, v)[0]
        out[f"rsa-rdm={rdm}-compare=spearman-score"] = stats.spearmanr(u, v)[0]
        out[f"rsa-rdm={rdm}-compare=cosine-score"] = cosine(u, v)
    out["cka-kernel=linear-hsic=song-batch=7-score"] = batched(x, y, 7)
    if n > max(p, q):
        rho = canonical(x, y)
        out["cca-score"], out["cca-squared_score"] = rho.mean(), (rho**2).mean()
    for name, keep in [("var=0.99-score", 0.99), ("var=0.95-squared_score", 0.95), ("dim=3-score", 3)]:
        rho = canonical(components(x, keep), components(y, keep))
        out[f"svcca-{name}"] = (rho**2).mean() if "squared" in name else rho.mean()
    if n > p + q:
        out["pwcca-score"] = projection_weighted(x, y)
        out["pwcca-svcca_core-score"] = shared_routine(x, y)
        # Without means the signs do not matter: the routine as it is.
        assert np.isclose(shared_routine(centered(x), centered(y)), shared_routine(centered(x), centered(y), False), rtol=1e-12)
        out["procrustes-cv=5folds-distance=angular"] = held_out(x, y)
    m = inverse_root(a.T @ a + 0.1 * np.eye(p)) @ a.T @ b @ inverse_root(b.T @ b + 0.1 * np.eye(q))
    out["rcca-k=0.1-score"] = np.linalg.svd(m, compute_uv=False).mean()
    nuclear, scale = np.linalg.svd(a.T @ b, compute_uv=False).sum(), np.linalg.norm(a) * np.linalg.norm(b)
    nbs = min(nuclear / scale, 1)
    squared = np.linalg.norm(a) ** 2 + np.linalg.norm(b) ** 2 - 2 * nuclear
    out |= {"nbs-score": nbs, "nbs-squared_score": nbs**2, "procrustes-distance=angular": np.arccos(nbs)}
    out |= {"procrustes-distance=euclidean": np.sqrt(squared), "procrustes-distance=squared_euclidean": squared}
    width = max(p, q)
    u, v = padded(x, width), padded(y, width)
    if n > width:
        turned = u @ rotation(u, v)
        out["aligned_cosine-score"] = np.mean([cosine(r, s) for r, s in zip(turned, v)])
    out["rsm_norm_difference"] = np.linalg.norm(pdist(x) - pdist(y))
    regular = lambda k: k + 1e-6 * np.trace(k) / n * np.eye(n)
    k, l = regular(a @ a.T), regular(b @ b.T)
    root = inverse_root(k)
    out["airm-eps=1e-6"] = np.sqrt((np.log(np.linalg.eigvalsh(root @ l @ root)) ** 2).sum())
    out |= {f"gulp-lambda={penalty}": gulp(x, y, penalty) for penalty in (0, 0.1, 10)}
    overlap = lambda u, v: np.linalg.norm(u.T @ v) ** 2 / max(u.shape[1], v.shape[1])
    out |= {"eos-score": overlap(basis(x), basis(y)), "eos-centered-score": overlap(basis(a), basis(b))}
    out["ensd-score"] = shared_dimensions(x, y)
    out["ensd-distance=angular_normalized"] = 2 / np.pi * np.arccos(shared_dimensions(x, y) / np.sqrt(participation(x) * participation(y)))
    out["distance_correlation-score"] = distance_correlation(x, y, False)
    out["distance_correlation-corrected-score"] = distance_correlation(x, y, True)
    if p == q:
        out["isc-score"] = np.mean([stats.pearsonr(u, v)[0] for u, v in zip(x.T, y.T)])
    out |= neighbor_measures(x, y, 5) | matching_measures(x, y) | predictivity(x, y)
    out["imd-k=5"] = heat_difference(x, y, 5)
    out["magnitude_difference"] = abs(np.linalg.norm(x.mean(0)) - np.linalg.norm(y.mean(0)))
    uniformity = lambda x: np.log(np.exp(-2 * squareform(pdist(x, "sqeuclidean"))).mean())
    out["uniformity_difference"] = abs(uniformity(x) - uniformity(y))
    concentricity = lambda x: np.mean([cosine(r, x.mean(0)) for r in x])
    out["concentricity_difference"] = abs(concentricity(x) - concentricity(y))
    return {name: None if not np.isfinite(value) else float(value) for name, value in out.items()}


legacy = np.random.RandomState(0)
golden = [legacy.uniform(size=(30, 25)), legacy.uniform(size=(30, 25))]
rng = np.random.default_rng(5)
first = rng.normal(size=(40, 6))
equal = [first, first @ rng.normal(size=(6, 6)) + 0.5 * rng.normal(size=(40, 6))]
tall = [0.6 * first + 1, first[:, :4] @ rng.normal(size=(4, 4)) * 0.4 + 0.5 * rng.normal(size=(40, 4)) - 0.5]
wide = [rng.normal(size=(12, 20)), rng.normal(size=(12, 15))]
cases = {"golden": golden} | {name: [z.round(6) for z in pair] for name, pair in {"equal": equal, "tall": tall, "wide": wide}.items()}
found = {name: {"x": x.tolist(), "y": y.tolist(), "values": measures(x, y)} for name, (x, y) in cases.items()}
values = found["golden"]["values"]
published = {
    "cka-kernel=linear-hsic=gretton-score": 0.489342739104415,
    "cka-kernel=linear-hsic=song-score": 0.0235986985805567,
    "cka-kernel=linear-hsic=lange-score": 0.05333644334093051,
    "cka-kernel=(rbf-sigma=1.0)-hsic=gretton-score": 0.894026798628799,
    "cca-score": 0.890104973815781,
    "rsa-rdm=correlation-compare=pearson-score": 0.00350624601928,
}
assert all(abs(values[name] - value) < 1e-10 for name, value in published.items()), "the golden table"
Path("tests/fixtures/similarity.json").write_text(json.dumps(found))
print({name: len(case["values"]) for name, case in found.items()})
