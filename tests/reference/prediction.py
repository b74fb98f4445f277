"""Reference numbers for dimension use, variance partition, best unit, kernel and banded ridge: numpy, scikit-learn, himalaya.

Writes tests/fixtures/prediction.json. Run from the root of the repository: python tests/reference/prediction.py
Made with numpy 2.4, scikit-learn 1.9, himalaya 0.4.11.
"""

import json
import pathlib
import warnings

import numpy as np
from himalaya.kernel_ridge import KernelRidge as HimalayaKernelRidge
from himalaya.kernel_ridge import solve_weighted_kernel_ridge_conjugate_gradient
from himalaya.ridge import RidgeCV as HimalayaRidgeCV
from himalaya.scoring import r2_score_split
from scipy.stats import pearsonr
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import explained_variance_score, r2_score
from sklearn.model_selection import KFold

from encoding import planted

COUNTS = [1, 2, 3, 4, 6, 9]


def dimension_use(X, Y, model, reference=None):
    """Median r and mean R2 for each number of components, mean over five folds."""
    r, r2 = [], []
    for k in COUNTS:
        rs, r2s = [], []
        for train, test in KFold(5).split(X):
            pca = PCA(svd_solver="full").fit(X[train] if reference is None else reference)
            Z = pca.transform(X)[:, :k]
            predicted = model(k).fit(Z[train], Y[train]).predict(Z[test])
            rs.append(np.median([pearsonr(Y[test, j], predicted[:, j])[0] for j in range(Y.shape[1])]))
            r2s.append(r2_score(Y[test], predicted))
        r.append(np.mean(rs))
        r2.append(np.mean(r2s))
    return {"r": r, "r2": r2}


def partition(spaces, Y, model, splits):
    """R2 of every subset by its bits, mean over splits and targets, and the commonality coefficients of two spaces."""
    out = {}
    for mask in range(1, 1 << len(spaces)):
        X = np.hstack([x for b, x in enumerate(spaces) if mask >> b & 1])
        scores = [r2_score(Y[test], model.fit(X[train], Y[train]).predict(X[test])) for train, test in splits]
        out[str(mask)] = float(np.mean(scores))
    return out


def best_unit(X, Y):
    """Mean over folds of r and R2 of each target."""
    r, r2 = [], []
    for train, test in KFold(5).split(X):
        correlations = np.corrcoef(X[train].T, Y[train].T)[: X.shape[1], X.shape[1] :]
        best = np.argmax(correlations, axis=0)
        predicted = np.stack(
            [LinearRegression().fit(X[train][:, [j]], Y[train, k]).predict(X[test][:, [j]]) for k, j in enumerate(best)], axis=1
        )
        r.append([pearsonr(Y[test, k], predicted[:, k])[0] for k in range(Y.shape[1])])
        r2.append(r2_score(Y[test], predicted, multioutput="raw_values"))
    return {"r": np.mean(r, axis=0).tolist(), "r2": np.mean(r2, axis=0).tolist()}


def aggregates(X, Y):
    """Least squares by five folds: the ways to put scores together."""
    pooled, weighted, explained = np.empty_like(Y), [], []
    for train, test in KFold(5).split(X):
        predicted = LinearRegression().fit(X[train], Y[train]).predict(X[test])
        pooled[test] = predicted
        error, spread = ((Y[test] - predicted) ** 2).sum(), ((Y[test] - Y[test].mean(0)) ** 2).sum()
        weighted.append(1 - error / spread)
        explained.append(explained_variance_score(Y[test], predicted))
    r = [pearsonr(Y[:, k], pooled[:, k])[0] for k in range(Y.shape[1])]
    return {
        "pooled_r": float(np.median(r)),
        "per_target_pooled_r": r,
        "r2_weighted": float(np.mean(weighted)),
        "explained_variance": float(np.mean(explained)),
    }


def himalaya_ridge(X, Y):
    """Penalty of each target by four folds on the first 48 rows and R2 on the rest, with an intercept."""
    model = HimalayaRidgeCV(alphas=[0.1, 1.0, 10.0, 100.0, 1000.0], cv=KFold(4), fit_intercept=True).fit(X[:48], Y[:48])
    return {"alpha": model.best_alphas_.tolist(), "r2": r2_score(Y[48:], model.predict(X[48:]), multioutput="raw_values").tolist()}


def himalaya_parts(X, Y):
    """Product measure of two bands of equal weight, at penalty 2 on half the sum of kernels; all about training means."""
    mx, my = X[:48].mean(0), Y[:48].mean(0)
    bands = [X[:, :4] - mx[:4], X[:, 4:] - mx[4:]]
    kernels = np.stack([x[:48] @ x[:48].T for x in bands])
    to_train = np.stack([x[48:] @ x[:48].T for x in bands])
    dual = np.linalg.solve(kernels.sum(0) / 2 + 2.0 * np.eye(48), Y[:48] - my)
    check = solve_weighted_kernel_ridge_conjugate_gradient(
        kernels, Y[:48] - my, np.log([[0.5] * Y.shape[1]] * 2), alpha=2.0, max_iter=2000, tol=1e-12
    )
    assert np.abs(dual - check).max() < 1e-6
    single = HimalayaKernelRidge(alpha=2.0, kernel="precomputed").fit(kernels.sum(0) / 2, Y[:48] - my)
    assert np.abs(dual - single.dual_coef_).max() < 1e-6
    parts = np.stack([k @ dual / 2 for k in to_train])
    true = Y[48:] - Y[48:].mean(0)
    return r2_score_split(true, parts - parts.mean(1, keepdims=True)).tolist()


def main():
    warnings.filterwarnings("ignore")
    X, Y = planted(21, 60, 9, 4)
    reference = planted(22, 30, 9, 4)[0]
    wide = planted(23, 60, 90, 4)[0]
    folds, whole = list(KFold(5).split(X)), [(np.arange(60), np.arange(60))]
    spaces = [X[:, :4], X[:, 3:7], np.hstack([X[:, 6:], wide[:, :2]])]
    models = {
        "ols": lambda k: LinearRegression(),
        "ridge_10": lambda k: Ridge(alpha=10.0),
        "pls_3": lambda k: PLSRegression(min(3, k), scale=False, tol=1e-14, max_iter=100_000),
    }
    fixture = {
        "counts": COUNTS,
        "x_last": X[-1, -1],
        "dimension_use": {name: dimension_use(X, Y, model) for name, model in models.items()},
        "on_reference": {name: dimension_use(X, Y, model, reference) for name, model in models.items()},
        "partition": {
            "ols": partition(spaces, Y, LinearRegression(), folds),
            "ols_in_sample": partition(spaces, Y, LinearRegression(), whole),
            "ridge_10": partition(spaces, Y, Ridge(alpha=10.0), folds),
            "ridge_10_wide": partition([X, wide], Y, Ridge(alpha=10.0), folds),
        },
        "best_unit": best_unit(X, Y),
        "aggregates": aggregates(X, Y),
        "himalaya_ridge": himalaya_ridge(X, Y),
        "himalaya_parts": himalaya_parts(X, Y),
    }
    out = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "prediction.json"
    out.write_text(json.dumps(fixture) + "\n")


if __name__ == "__main__":
    main()
