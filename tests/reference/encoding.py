"""Reference numbers for encoding models, from numpy and scikit-learn.

Writes tests/fixtures/encoding.json. Run from the root of the repository: python tests/reference/encoding.py
The neural data are looked for in ../shared/data; without them their section is left out.
Made with numpy 2.4, scikit-learn 1.9.
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.preprocessing import KernelCenterer

GRID = [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]


def planted(seed, n, p, t):
    """Normal features, targets = scaled features plus noise plus an offset; numpy's legacy stream, so that tests can repeat it."""
    rng = np.random.RandomState(seed)
    X = rng.randn(n, p) * (1 + np.arange(p) / p)
    Y = rng.randn(n, t) + X[:, :t] * 2.0 / (1 + np.arange(t)) + 3.0
    return X, Y


def centered(X, Y, train):
    mx, my = X[train].mean(0), Y[train].mean(0)
    return X[train] - mx, Y[train] - my, mx, my


def ols(X, Y, train, test):
    A, B, mx, my = centered(X, Y, train)
    coef = np.linalg.lstsq(A, B, rcond=max(A.shape) * np.finfo(float).eps)[0]
    return (X[test] - mx) @ coef + my, None


def ridge(alpha):
    def fit(X, Y, train, test):
        return Ridge(alpha=alpha).fit(X[train], Y[train]).predict(X[test]), None

    return fit


def per_target(X, Y, train, test, alphas):
    out = np.empty((len(test), Y.shape[1]))
    for k, alpha in enumerate(alphas):
        out[:, k] = Ridge(alpha=alpha).fit(X[train], Y[train, k]).predict(X[test])
    return out, list(map(float, alphas))


def ridge_loo(X, Y, train, test):
    alphas = [RidgeCV(GRID).fit(X[train], Y[train, k]).alpha_ for k in range(Y.shape[1])]
    return per_target(X, Y, train, test, alphas)


def ridge_kfold(X, Y, train, test):
    def best(y):
        search = GridSearchCV(Ridge(), {"alpha": GRID}, cv=KFold(4), scoring="r2")
        return search.fit(X[train], y).best_params_["alpha"]

    return per_target(X, Y, train, test, [best(Y[train, k]) for k in range(Y.shape[1])])


def ridge_gcv(X, Y, train, test):
    A, B, _, _ = centered(X, Y, train)
    n = len(train)
    score = []
    for alpha in GRID:
        hat = A @ np.linalg.solve(A.T @ A + alpha * np.eye(A.shape[1]), A.T) + 1 / n
        rss = ((B - hat @ B) ** 2).sum(0)
        score.append(rss / n / (1 - np.trace(hat) / n) ** 2)
    return per_target(X, Y, train, test, np.array(GRID)[np.argmin(score, axis=0)])


def kernel_ridge(alpha, **kernel):
    """Centered in the feature space, which is an intercept that is not penalized."""

    def fit(X, Y, train, test):
        center = KernelCenterer()
        K = center.fit_transform(pairwise_kernels(X[train], X[train], filter_params=True, **kernel))
        to_train = center.transform(pairwise_kernels(X[test], X[train], filter_params=True, **kernel))
        mean = Y[train].mean(0)
        model = KernelRidge(alpha=alpha, kernel="precomputed").fit(K, Y[train] - mean)
        return model.predict(to_train) + mean, None

    return fit


def pca_ols(components):
    def fit(X, Y, train, test):
        pca = PCA(components, svd_solver="full").fit(X[train])
        Z = pca.transform(X)
        return ols(Z, Y, train, test)

    return fit


def pls(components, algorithm):
    def fit(X, Y, train, test):
        model = PLSRegression(components, scale=False)
        model.algorithm = algorithm
        return model.fit(X[train], Y[train]).predict(X[test]), None

    return fit


def scores(X, Y, splits, fit):
    medians, means, uniform, rs, r2s, alphas = [], [], [], [], [], []
    for train, test in splits:
        predicted, alpha = fit(X, Y, train, test)
        r = np.array([np.corrcoef(Y[test, k], predicted[:, k])[0, 1] for k in range(Y.shape[1])])
        r2 = r2_score(Y[test], predicted, multioutput="raw_values")
        medians.append(np.median(r))
        means.append(r.mean())
        uniform.append(r2.mean())
        rs.append(r)
        r2s.append(r2)
        alphas.append(alpha)
    out = {
        "median_r": np.mean(medians),
        "mean_r": np.mean(means),
        "r2_uniform": np.mean(uniform),
        "per_target_r": np.mean(rs, axis=0).tolist(),
        "per_target_r2": np.mean(r2s, axis=0).tolist(),
    }
    if alphas[0] is not None:
        out["alpha"] = alphas
    return out


def lists(splits):
    return [{"train": train.tolist(), "test": test.tolist()} for train, test in splits]


def main():
    warnings.filterwarnings("ignore")
    n = 11
    fixture = {
        "splits": {
            "n": n,
            "kfold_4": lists(KFold(4).split(np.zeros(n))),
            "kfold_3_shuffle_seed_5": lists(KFold(3, shuffle=True, random_state=5).split(np.zeros(n))),
            "shuffle_split_4_0.7_seed_9": lists(ShuffleSplit(4, train_size=0.7, random_state=9).split(np.zeros(n))),
        },
        "grid": GRID,
        "cases": [],
    }
    models = {
        "ols": ols,
        "ridge_1": ridge(1.0),
        "ridge_loo": ridge_loo,
        "ridge_kfold_4": ridge_kfold,
        "ridge_gcv": ridge_gcv,
        "kernel_linear": kernel_ridge(2.0, metric="linear"),
        "kernel_rbf": kernel_ridge(0.5, metric="rbf", gamma=0.05),
        "kernel_rbf_default": kernel_ridge(0.5, metric="rbf"),
        "kernel_polynomial": kernel_ridge(0.5, metric="polynomial", degree=2, gamma=0.1, coef0=1.0),
        "pca_4_ols": pca_ols(4),
        "pls_3": pls(3, "svd"),
        "pls_3_default": pls(3, "nipals"),
    }
    schemes = {
        "kfold_5": KFold(5),
        "kfold_5_shuffle_seed_3": KFold(5, shuffle=True, random_state=3),
        "shuffle_split_4_0.8_seed_7": ShuffleSplit(4, train_size=0.8, random_state=7),
    }
    for seed, shape in [(1, (60, 8, 5)), (2, (40, 70, 6))]:
        X, Y = planted(seed, *shape)
        case = {"seed": seed, "shape": shape, "x_last": X[-1, -1], "y_last": Y[-1, -1], "results": {}}
        tight = PLSRegression(3, scale=False, tol=1e-14, max_iter=100_000).fit(X, Y)
        case["pls_3_coef"] = tight.coef_.T.ravel().tolist()
        for scheme, cv in schemes.items():
            splits = list(cv.split(X))
            case["results"][scheme] = {name: scores(X, Y, splits, fit) for name, fit in models.items()}
        fixture["cases"].append(case)
    data = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data" / "majajhong2015"
    if data.exists():
        X, Y = (np.load(data / name).astype(float) for name in ("V4.npy", "IT.npy"))
        splits = list(KFold(10).split(X))
        chosen = {"ols": ols, "ridge_1": ridge(1.0), "pls_25": pls(25, "svd"), "pls_25_default": pls(25, "nipals")}
        fixture["v4_to_it"] = {name: scores(X, Y, splits, fit) for name, fit in chosen.items()}
    out = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "encoding.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(fixture) + "\n")


if __name__ == "__main__":
    main()
