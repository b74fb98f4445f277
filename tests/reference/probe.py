"""Reference values for probes: scikit-learn.

Run from the repository root: python tests/reference/probe.py
"""

import json
import warnings
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import accuracy_score, confusion_matrix, explained_variance_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

CLASSIFIERS = {
    "logistic": lambda: LogisticRegression(C=1, tol=1e-12, max_iter=100000),
    "svc": lambda: SVC(kernel="linear", C=0.025, tol=1e-10),
    "ridge_classifier": lambda: RidgeClassifier(alpha=1, solver="svd"),
}
REGRESSORS = {
    "ridge": lambda: Ridge(alpha=1, solver="svd"),
    "glm": lambda: LinearRegression(),
    "lasso": lambda: Lasso(alpha=0.1, tol=1e-14, max_iter=1000000),
}


def correlation(y, z):
    return float(np.corrcoef(y, z)[0, 1]) if z.std() > 1e-12 else np.nan


METRICS = {"r2": r2_score, "explained_variance": explained_variance_score, "correlation": correlation}


def pipeline(model, pca):
    def make(n_train, p):
        return make_pipeline(PCA(min(pca, n_train, p), svd_solver="full"), model()) if pca else model()

    return make


def classify(make, x, y, k):
    """Accuracy and confusion of each stratified fold."""
    classes = sorted(set(y))
    scores, counts = [], []
    for train, test in StratifiedKFold(k).split(x, y):
        z = make(len(train), x.shape[1]).fit(x[train], y[train]).predict(x[test])
        scores.append(accuracy_score(y[test], z))
        counts.append(confusion_matrix(y[test], z, labels=classes).ravel().tolist())
    return {"scores": scores, "confusions": counts}


def regress(make, x, y, k, metric):
    """Score of each behavior and fold."""
    scores = []
    for train, test in KFold(k).split(x):
        z = make(len(train), x.shape[1]).fit(x[train], y[train]).predict(x[test]).reshape(len(test), -1)
        scores.append([METRICS[metric](y[test, t], z[:, t]) for t in range(y.shape[1])])
    return np.array(scores).T.ravel().tolist()


def best_unit(make, x, y, k, metric):
    """Of each behavior the unit of the best mean and its scores."""
    units, scores = [], []
    for t in range(y.shape[1]):
        each = np.array([regress(make, x[:, [v]], y[:, [t]], k, metric) for v in range(x.shape[1])])
        # Without a defined score a unit cannot be the best.
        units.append(int(np.nan_to_num(np.nanmean(each, 1), nan=-np.inf).argmax()))
        scores += each[units[-1]].tolist()
    return {"units": units, "scores": scores}


def machine(x, labels, c):
    """Weights (units x pairs) and intercepts of one-against-one machines; a score above 0 is for the first class of its pair.

    libsvm holds its kernel in single precision. Which rows are on the margin and which beyond it is right all the same, and the conditions
    of the minimum, solved for these rows, give all digits.
    """
    classes, weights, intercepts = sorted(set(labels)), [], []
    for i, first in enumerate(classes):
        for second in classes[i + 1:]:
            of = (labels == first) | (labels == second)
            z, t = x[of], np.where(labels[of] == first, 1.0, -1.0)
            fit = SVC(kernel="linear", C=c, tol=1e-12).fit(z, t)
            beta = np.zeros(len(t))
            beta[fit.support_] = fit.dual_coef_[0]
            bound = np.isclose(np.abs(beta), c, rtol=1e-6)
            free = np.flatnonzero((np.abs(beta) > 1e-6 * c) & ~bound)
            beta = np.where(bound, c * t, 0)
            # Free rows are on the margin, and coefficients add up to zero.
            left = np.block([[z[free] @ z[free].T, np.ones((len(free), 1))], [np.ones((1, len(free))), np.zeros((1, 1))]])
            right = np.r_[t[free] - z[free] @ (z.T @ beta), -beta.sum()]
            solution = np.linalg.lstsq(left, right, rcond=None)[0]
            beta[free], b = solution[:-1], solution[-1]
            w = z.T @ beta
            slack = t * (z @ w + b) - 1
            assert np.abs(fit.coef_[0] - w).max() < 1e-4 and (beta * t > -1e-9).all() and (beta * t < c + 1e-9).all()
            assert (slack[beta == 0] > -1e-9).all() and (slack[bound] < 1e-9).all()
            weights.append(w)
            intercepts.append(b)
    return {"c": c, "weights": np.array(weights).T.ravel().tolist(), "intercepts": np.array(intercepts).tolist()}


def weights_of(estimator, fit, pca):
    """Weights (units x scores) and intercepts of a fit on all rows."""
    last = fit[-1] if pca else fit
    weights = np.atleast_2d(last.coef_).T
    intercepts = np.atleast_1d(last.intercept_)
    if estimator == "svc" and len(last.classes_) == 2:
        weights, intercepts = -weights, -intercepts
    if estimator == "logistic" and len(last.classes_) > 2:
        # A constant added to all intercepts changes nothing; ours add up to zero about the mean row.
        intercepts = intercepts - intercepts.mean()
    if pca:
        weights = fit[0].components_.T @ weights
        intercepts = intercepts - fit[0].mean_ @ weights
    return {"estimator": estimator, "pca": pca, "weights": weights.ravel().tolist(), "intercepts": intercepts.ravel().tolist()}


def planted(rng, n, p, n_classes):
    codes = rng.permutation(np.arange(n) % n_classes)
    x = rng.normal(size=(n, p)) * np.linspace(0.5, 1.5, p) + rng.normal(size=(n_classes, p))[codes] * 0.6 + rng.normal(size=p)
    y = x[:, :3] @ rng.normal(size=(3, 2)) + rng.normal(size=(n, 2))
    return x.round(3), y.round(3), np.array(["fish", "bird", "ant", "dog"])[codes]


def case(rng, name, n, p, n_classes, k):
    x, y, labels = planted(rng, n, p, n_classes)
    out = {"name": name, "p": p, "k": k, "x": x.ravel().tolist(), "y": y.ravel().tolist(), "labels": labels.tolist(), "runs": []}
    for pca in (None, 5):
        for estimator, model in CLASSIFIERS.items():
            out["runs"].append({"estimator": estimator, "pca": pca, **classify(pipeline(model, pca), x, labels, k)})
        for estimator, model in REGRESSORS.items():
            for metric in METRICS:
                scores = regress(pipeline(model, pca), x, y, k, metric)
                out["runs"].append({"estimator": estimator, "pca": pca, "score": metric, "scores": scores})
    out["units"] = [
        {"estimator": estimator, "score": metric, **best_unit(pipeline(REGRESSORS[estimator], None), x, y, k, metric)}
        for estimator in REGRESSORS
        for metric in METRICS
    ]
    each = np.array([classify(pipeline(CLASSIFIERS["logistic"], None), x[:, [v]], labels, k)["scores"] for v in range(p)])
    unit = int(each.mean(1).argmax())
    found = classify(pipeline(CLASSIFIERS["logistic"], None), x[:, [unit]], labels, k)
    out["best_logistic"] = {"unit": unit, **found}
    out["models"] = []
    for pca in (None, 5):
        for estimator, make in {**CLASSIFIERS, **REGRESSORS}.items():
            fit = pipeline(make, pca)(n, p).fit(x, labels if estimator in CLASSIFIERS else y)
            out["models"].append(weights_of(estimator, fit, pca))
    out["machines"] = [machine(x, labels, c) for c in (0.025, 1.0)]
    r = np.array([[np.corrcoef(x[:, v], y[:, t])[0, 1] for v in range(p)] for t in range(2)])
    out["correlations"] = {"abs": np.abs(r).argmax(1).tolist(), "signed": r.argmax(1).tolist(), "r": r.ravel().tolist()}
    return out


def main():
    warnings.filterwarnings("ignore")
    rng = np.random.default_rng(7)
    cases = [case(rng, "tall", 48, 9, 3, 4), case(rng, "wide", 30, 64, 4, 3), case(rng, "two classes", 24, 40, 2, 5)]
    path = Path("tests/fixtures/probe.json")
    path.write_text(json.dumps(cases).replace("NaN", "null") + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
