"""Reference values for few-shot classification and projection distances: numpy, scikit-learn.

Run from the repository root: python tests/reference/few_shot.py
"""

import json
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import NearestCentroid
from sklearn.svm import LinearSVC


def planted(rng, n_classes, per_class, p, spread):
    """Rows class after class, features with means and scales of their own."""
    centers = rng.normal(size=(n_classes, p)) * spread
    x = np.repeat(centers, per_class, axis=0) + rng.normal(size=(n_classes * per_class, p))
    return (x * np.linspace(0.5, 1.5, p) + rng.normal(size=p)).round(3)


def ranks(scores, truth):
    """top-1, top-5 and MRR with the tie rules written out."""
    own = scores[np.arange(len(truth)), truth]
    before = (scores > own[:, None]).sum(1) + np.array([(s[:t] == s[t]).sum() for s, t in zip(scores, truth)])
    at_least = (scores >= own[:, None]).sum(1)
    return {"top1": float((before < 1).mean()), "top5": float((before < 5).mean()), "mrr": float((1 / at_least).mean())}


def orders(n, repeats):
    order, out = np.arange(n), []
    for i in range(repeats):
        np.random.seed(i)
        np.random.shuffle(order)
        out.append(order.tolist())
    return out


def logistic(x, y):
    # Two solvers, the better of which is within 1e-9 of a zero gradient.
    fits = [LogisticRegression(C=1, tol=1e-12, max_iter=10000, solver=s).fit(x, y) for s in ("lbfgs", "newton-cg")]

    def gradient(fit):
        if len(fit.classes_) == 2:
            r = fit.predict_proba(x)[:, 1] - y
            return max(np.abs(fit.coef_[0] + r @ x).max(), abs(r.sum())) / len(y)
        r = fit.predict_proba(x) - np.eye(len(fit.classes_))[y]
        return max(np.abs(fit.coef_ + r.T @ x).max(), np.abs(r.sum(0)).max()) / len(y)

    best = min(fits, key=gradient)
    assert gradient(best) < 1e-9, gradient(best)
    return best


def svm(x, y):
    return LinearSVC(loss="squared_hinge", dual=False, C=1, intercept_scaling=1, tol=1e-10, max_iter=100000).fit(x, y)


def fit_case(rng, name, n_classes, per_class, p, n_test):
    both = planted(rng, n_classes, per_class + n_test, p, 0.7).reshape(n_classes, per_class + n_test, p)
    x, z = both[:, :per_class].reshape(-1, p), both[:, per_class:].reshape(-1, p)
    y, t = np.repeat(np.arange(n_classes), per_class), np.repeat(np.arange(n_classes), n_test)
    lr, sv = logistic(x, y), svm(x, y)
    return {
        "name": name, "n_classes": n_classes, "p": p, "x": x.ravel().tolist(), "test": z.ravel().tolist(), "codes": y.tolist(),
        "weights": lr.coef_.T.ravel().tolist(),
        # A constant added to all intercepts changes nothing; ours add up to zero.
        "intercepts": (lr.intercept_ - (lr.intercept_.mean() if n_classes > 2 else 0)).tolist(),
        "probabilities": lr.predict_proba(z).ravel().tolist(), "log_loss": log_loss(t, lr.predict_proba(z)),
        "svm_weights": sv.coef_.T.ravel().tolist(), "svm_intercepts": sv.intercept_.tolist(), "svm_predictions": sv.predict(z).tolist(),
    }


def few_shot_case(rng, name, n_classes, per_class, p, n_train, n_test, repeats):
    x = planted(rng, n_classes, per_class, p, 0.45).reshape(n_classes, per_class, p)
    rows, confusion = [], np.zeros((n_classes, n_classes))
    t = np.repeat(np.arange(n_classes), n_test)
    for i, order in enumerate(orders(per_class, repeats)):
        z = x[:, order[-n_test:]].reshape(-1, p)
        for m in n_train:
            a, y = x[:, order[:m]].reshape(-1, p), np.repeat(np.arange(n_classes), m)
            centers = a.reshape(n_classes, m, p).mean(1)
            scores = -np.linalg.norm(z[:, None] - centers[None], axis=2)
            assert m == 1 or (NearestCentroid().fit(a, y).predict(z) == scores.argmax(1)).all()
            rows.append({"classifier": "prototype", "n_train": m, "i_repeat": i, **ranks(scores, t)})
            if m == max(n_train):
                np.add.at(confusion, (t, scores.argmax(1)), 1)
            lr = logistic(a, y)
            probabilities = lr.predict_proba(z)
            rows.append(
                {"classifier": "linear", "n_train": m, "i_repeat": i, **ranks(probabilities, t), "log_likelihood": -log_loss(t, probabilities)}
            )
            rows.append({"classifier": "maxmargin", "n_train": m, "i_repeat": i, "top1": float((svm(a, y).predict(z) == t).mean())})
    return {
        "name": name, "n_classes": n_classes, "per_class": per_class, "p": p, "x": x.ravel().tolist(), "n_train": n_train, "n_test": n_test,
        "repeats": repeats, "rows": rows, "prototype_confusion": confusion.ravel().tolist(),
    }


def projection_case(rng, n_classes, per_class, p):
    x = planted(rng, n_classes, per_class, p, 1.0).reshape(n_classes, per_class, p)
    c = x.mean(1)
    out = np.zeros((3, n_classes, n_classes))
    for i in range(n_classes):
        radius = np.sqrt(x[i].var(0, ddof=1).mean())
        for j in range(n_classes):
            if i != j:
                u = c[j] - c[i]
                raw = np.abs((x[i] - c[i]) @ u / np.linalg.norm(u)).mean()
                out[:, i, j] = np.linalg.norm(u), raw / radius, raw
    off = ~np.eye(n_classes, dtype=bool)
    return {
        "n_classes": n_classes, "per_class": per_class, "p": p, "x": x.ravel().tolist(), "arrays": out.reshape(3, -1).tolist(),
        "off_diagonal": out[:, off].mean(1).tolist(), "with_diagonal": out.mean((1, 2)).tolist(),
    }


def main():
    warnings.filterwarnings("ignore")
    rng = np.random.default_rng(41)
    cases = {
        "orders": orders(12, 4),
        "fits": [
            fit_case(rng, "tall", 4, 20, 6, 5), fit_case(rng, "wide", 5, 4, 30, 4), fit_case(rng, "two tall", 2, 15, 4, 6),
            fit_case(rng, "two wide", 2, 4, 20, 5),
        ],
        "few_shot": [few_shot_case(rng, "wide", 8, 14, 24, [1, 3], 6, 3), few_shot_case(rng, "tall", 7, 20, 8, [2, 10], 8, 2)],
        "projection": projection_case(rng, 6, 7, 9),
    }
    path = Path("tests/fixtures/few_shot.json")
    path.write_text(json.dumps(cases) + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
