"""Estimators in scikit-learn's shape: ``fit``, ``predict`` or ``transform``, ``score``, ``get_params``; scikit-learn is not needed.

What a server computes stays there: scores, folds, penalties and weights are its numbers. On this side are products of what it gave
(predictions from weights) and, in :class:`LinearMetric`, the alignment of held-out rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .analyses.prediction import Selection
from .analyses.splits import Contiguous, Cv
from .base_estimator import Estimator, matrix
from .client import Client, Requester
from .result import Result
from .shape_metrics import LinearMetric, PermutationMetric

__all__ = ["Clustering", "Embedding", "Encoder", "LinearMetric", "PermutationMetric", "ProbeClassifier", "ProbeRegressor"]


class Encoder(Estimator):
    """An encoding model: targets from features, scored on held-out rows by the server.

    Parameters
    ----------
    model, alphas, selection, kernel, components, pca, convention
        As in :meth:`eigenscope.Client.encoding`.
    cv : int, scheme of :mod:`eigenscope.splits`, folds, or None
        The splits of the score of ``fit``; ``None``: no such score.

    Attributes
    ----------
    result_ : Result
        All that the cross-validated run gave.
    score_ : float
        Its final score by the convention (``raw``: median r over targets, mean over splits).
    per_target_r_, per_target_r2_ : array (n_targets,)
        Held-out scores.
    alpha_ : array (n_splits, n_targets) or None
        Penalties chosen.
    """

    _kind = "regressor"

    def __init__(
        self,
        model: str = "ridge",
        *,
        alphas: Sequence[float] | None = None,
        selection: Selection | None = None,
        kernel: Any = None,
        components: int | None = None,
        pca: int | None = None,
        cv: Cv | None = 10,
        convention: str = "raw",
        client: Client | None = None,
    ) -> None:
        self.model = model
        self.alphas = alphas
        self.selection = selection
        self.kernel = kernel
        self.components = components
        self.pca = pca
        self.cv = cv
        self.convention = convention
        self.client = client

    def _run(self, X: Any, Y: Any, cv: Cv, keep_predictions: bool, convention: str, warn: bool = True) -> Result:
        request = Requester().encoding(
            X,
            Y,
            model=self.model,
            alphas=self.alphas,
            selection=self.selection,
            kernel=self.kernel,
            components=self.components,
            pca=self.pca,
            cv=cv,
            keep_predictions=keep_predictions,
            convention=convention,
        )
        return self._server.send(request).result(progress=self._server.progress, warn=warn)

    def fit(self, X: Any, Y: Any) -> Encoder:
        """Scores the model by cross-validation, and keeps the rows to fit on.

        Parameters
        ----------
        X : array (n_samples, n_features)
        Y : array (n_samples, n_targets) or (n_samples,)

        Raises
        ------
        InvalidRequest
            As :meth:`eigenscope.Client.encoding`.
        """
        self.X_fit_, self._y_is_vector = matrix(X, "X"), np.ndim(Y) == 1
        self.Y_fit_ = matrix(Y, "Y", as_column=True)
        if self.cv is not None:
            self.result_ = self._run(self.X_fit_, self.Y_fit_, self.cv, False, self.convention)
            self.score_ = self.result_["score"]
            self.per_target_r_ = self.result_["per_target_r"]
            self.per_target_r2_ = self.result_["per_target_r2"]
            self.alpha_ = self.result_["alpha"]
        return self

    def _held_out(self, X: Any, Y: np.ndarray | None, keep_predictions: bool) -> tuple[Result, int]:
        """Fits on the rows of ``fit`` and holds these out: one split in the order of the rows."""
        seen, known = self._fitted("X_fit_"), self.Y_fit_
        new = matrix(X, "X")
        if new.shape[1] != seen.shape[1]:
            raise ValueError(f"X has {new.shape[1]} features; the model was fitted on {seen.shape[1]}")
        # Held-out targets do not change what is predicted; without any, known ones stand in.
        targets = known[np.arange(len(new)) % len(known)] if Y is None else Y
        n, n_train = len(seen) + len(new), len(seen)
        # Half a row more, so that rounding cannot lose one.
        cv = Contiguous((n_train + 0.5) / n)
        # What is said about scores of targets that stand in means nothing.
        result = self._run(np.concatenate([seen, new]), np.concatenate([known, targets]), cv, keep_predictions, "raw", warn=Y is not None)
        return result, n_train

    def predict(self, X: Any) -> np.ndarray:
        """Targets of new rows, by the model of the rows of ``fit``.

        Parameters
        ----------
        X : array (n_new, n_features)

        Returns
        -------
        array (n_new, n_targets), or (n_new,) when fitted on a vector
        """
        result, n_train = self._held_out(X, None, True)
        out: np.ndarray = result["predictions"][n_train:].copy()
        return out[:, 0] if self._y_is_vector else out

    def score(self, X: Any = None, Y: Any = None) -> float:
        """The cross-validated score of ``fit``; with rows of your own their held-out score: the median over targets of Pearson r.

        Parameters
        ----------
        X, Y : arrays, optional
            Held-out features and targets.
        """
        if X is None:
            return float(self._fitted("score_"))
        score = self._held_out(X, matrix(Y, "Y", as_column=True), False)[0]["median_r"]
        return float("nan") if score is None else float(score)


class _Probe(Estimator):
    """What classifiers and regressors have in common."""

    def _keep(self, result: Result) -> None:
        layer = result["layers"][0]
        models = layer["models"]
        self.result_ = result
        self.coef_ = models["weights"][0].T.copy()
        self.intercept_ = models["intercepts"][0].copy()
        self.cv_score_ = float(np.mean(layer["mean"]))
        self.cv_sem_ = layer["sem"].copy()
        scores = layer["scores"][0]
        self.cv_scores_ = scores[0] if len(scores) == 1 else scores
        self.n_features_in_ = self.coef_.shape[1]

    def decision_function(self, X: Any) -> np.ndarray:
        """Weights times units plus intercepts, (n_samples, n_scores)."""
        coef, x = self._fitted("coef_"), matrix(X, "X")
        if x.shape[1] != coef.shape[1]:
            raise ValueError(f"X has {x.shape[1]} features; the model was fitted on {coef.shape[1]}")
        return np.asarray(x.astype(np.float64, copy=False) @ coef.T + self.intercept_)


class ProbeClassifier(_Probe):
    """Classes read out of activations by a linear model, cross-validated by the server.

    Parameters
    ----------
    estimator : str
        ``logistic``, ``svc`` or ``ridge_classifier``.
    c, alpha, pca, folds, cv
        As in :meth:`eigenscope.Client.probe`.

    Attributes
    ----------
    classes_ : array
        Classes, sorted.
    coef_, intercept_ : array (n_scores, n_features), (n_scores,)
        Fit on all rows.
    cv_score_ : float
        Mean accuracy on held-out rows; of the folds in ``cv_scores_``.
    confusion_ : array (n_classes, n_classes)
        Held-out rows, true classes by predicted ones.
    """

    _kind = "classifier"

    def __init__(
        self,
        estimator: str = "logistic",
        *,
        c: float | None = None,
        alpha: float | None = None,
        pca: int | None = 100,
        folds: int = 10,
        cv: Cv | None = None,
        client: Client | None = None,
    ) -> None:
        self.estimator = estimator
        self.c = c
        self.alpha = alpha
        self.pca = pca
        self.folds = folds
        self.cv = cv
        self.client = client

    def fit(self, X: Any, y: Any) -> ProbeClassifier:
        """Fits on all rows, and scores on held-out ones.

        Parameters
        ----------
        X : array (n_samples, n_features)
        y : one label per row

        Raises
        ------
        InvalidRequest
            For a single class, classes with fewer rows than folds, NaN.
        """
        labels = np.asarray(y)
        result = self._server.probe(
            matrix(X, "X"),
            labels,
            estimator=self.estimator,
            c=self.c,
            alpha=self.alpha,
            pca=self.pca,
            folds=self.folds,
            cv=self.cv,
            models=True,
        )
        self._keep(result)
        names = [str(name) for name in result["classes"]]
        if labels.dtype.kind in "biuf":
            self.classes_ = np.array([float(name) for name in names]).astype(labels.dtype)
        else:
            self.classes_ = np.array(names)
        confusion = result["layers"][0]["confusion"]
        self.confusion_ = None if confusion is None else confusion[0]
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The class of each row."""
        scores = self.decision_function(X)
        k = len(self.classes_)
        if self.estimator == "svc":
            # One machine for each pair; the first of the classes with most votes.
            votes = np.zeros((len(scores), k), dtype=int)
            pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
            for (i, j), column in zip(pairs, scores.T, strict=True):
                votes[:, i] += column > 0
                votes[:, j] += column <= 0
            best = votes.argmax(axis=1)
        elif k == 2:
            best = (scores[:, 0] > 0).astype(int)
        else:
            best = scores.argmax(axis=1)
        return np.asarray(self.classes_[best])

    def score(self, X: Any, y: Any) -> float:
        """Share of rows whose class is predicted."""
        return float(np.mean(self.predict(X) == np.asarray(y)))


class ProbeRegressor(_Probe):
    """Numbers read out of activations by a linear model, cross-validated by the server.

    Parameters
    ----------
    estimator : str
        ``ridge``, ``glm`` (least squares) or ``lasso``.
    alpha, pca, folds, cv
        As in :meth:`eigenscope.Client.probe`.

    Attributes
    ----------
    coef_, intercept_ : array (n_targets, n_features), (n_targets,)
        Fit on all rows.
    cv_score_ : float
        Mean R2 on held-out rows over targets; of the folds in ``cv_scores_``, (n_folds,) or (n_targets, n_folds).
    """

    _kind = "regressor"

    def __init__(
        self,
        estimator: str = "ridge",
        *,
        alpha: float | None = None,
        pca: int | None = 100,
        folds: int = 10,
        cv: Cv | None = None,
        client: Client | None = None,
    ) -> None:
        self.estimator = estimator
        self.alpha = alpha
        self.pca = pca
        self.folds = folds
        self.cv = cv
        self.client = client

    def fit(self, X: Any, y: Any) -> ProbeRegressor:
        """Fits on all rows, and scores on held-out ones.

        Parameters
        ----------
        X : array (n_samples, n_features)
        y : array (n_samples,) or (n_samples, n_targets)

        Raises
        ------
        InvalidRequest
            For different numbers of rows, NaN.
        """
        self._y_is_vector = np.ndim(y) == 1
        targets = matrix(y, "y", as_column=True)
        result = self._server.probe(
            matrix(X, "X"),
            targets=targets,
            estimator=self.estimator,
            alpha=self.alpha,
            pca=self.pca,
            folds=self.folds,
            cv=self.cv,
            models=True,
        )
        self._keep(result)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Targets of rows, in the shape of those of ``fit``."""
        out: np.ndarray = self.decision_function(X)
        return out[:, 0] if self._y_is_vector else out

    def score(self, X: Any, y: Any) -> float:
        """R2, the mean over targets: ``1 - sum (y - prediction)^2 / sum (y - mean y)^2``."""
        y = matrix(y, "y", as_column=True).astype(np.float64)
        error = ((y - self.decision_function(X)) ** 2).sum(axis=0)
        return float(np.mean(1 - error / ((y - y.mean(axis=0)) ** 2).sum(axis=0)))


class Embedding(Estimator):
    """Points for the conditions of a matrix of dissimilarities, like ``sklearn.manifold.MDS(dissimilarity="precomputed")``.

    Parameters
    ----------
    method, dimensions, n_starts, perplexity, n_neighbors, min_dist, seed
        As in :meth:`eigenscope.Client.embedding`.

    Attributes
    ----------
    embedding_ : array (K, dimensions)
    stress_ : float or None
    result_ : Result
    """

    def __init__(
        self,
        method: str = "smacof",
        *,
        dimensions: int = 2,
        n_starts: int = 4,
        perplexity: float = 15.0,
        n_neighbors: int | None = None,
        min_dist: float = 0.1,
        seed: int = 0,
        client: Client | None = None,
    ) -> None:
        self.method = method
        self.dimensions = dimensions
        self.n_starts = n_starts
        self.perplexity = perplexity
        self.n_neighbors = n_neighbors
        self.min_dist = min_dist
        self.seed = seed
        self.client = client

    def fit(self, X: Any, y: Any = None) -> Embedding:
        """Places the conditions of the dissimilarities ``X`` (K, K)."""
        params = {name: value for name, value in self.get_params().items() if name != "client"}
        self.result_ = self._server.embedding(X, **params)
        self.embedding_ = self.result_["points"]
        self.stress_ = self.result_["stress"]
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Places the conditions; gives the points."""
        return np.asarray(self.fit(X).embedding_)


class Clustering(Estimator):
    """Clusters in a matrix of distances, like scikit-learn's with ``metric="precomputed"``.

    Parameters
    ----------
    method, linkage, n_clusters, threshold, eps, min_samples, max_eps, xi, min_cluster_size
        As in :meth:`eigenscope.Client.clustering`.

    Attributes
    ----------
    labels_ : array of int (K,)
        The cluster of each item, -1 for noise.
    silhouette_ : float or None
    result_ : Result
    """

    _kind = "clusterer"

    def __init__(
        self,
        method: str = "agglomerative",
        *,
        linkage: str = "average",
        n_clusters: int = 3,
        threshold: float | None = None,
        eps: float | None = None,
        min_samples: int | None = None,
        max_eps: float | None = None,
        xi: float = 0.05,
        min_cluster_size: int = 5,
        client: Client | None = None,
    ) -> None:
        self.method = method
        self.linkage = linkage
        self.n_clusters = n_clusters
        self.threshold = threshold
        self.eps = eps
        self.min_samples = min_samples
        self.max_eps = max_eps
        self.xi = xi
        self.min_cluster_size = min_cluster_size
        self.client = client

    def fit(self, X: Any, y: Any = None) -> Clustering:
        """Finds the clusters of the distances ``X`` (K, K)."""
        params = {name: value for name, value in self.get_params().items() if name != "client"}
        self.result_ = self._server.clustering(X, **params)
        labels = np.asarray([np.nan if v is None else v for v in self.result_["labels"]], dtype=float)
        self.labels_ = np.where(np.isnan(labels), -1, labels).astype(int)
        self.silhouette_ = self.result_["silhouette"]
        return self

    def fit_predict(self, X: Any, y: Any = None) -> np.ndarray:
        """Finds the clusters; gives the labels."""
        return np.asarray(self.fit(X).labels_)
