"""Shape metrics with ``fit`` on some rows and ``score`` on others, as netrep has them.

The server gives distances, not the maps behind them. :class:`LinearMetric` makes the maps here, by the server's definition (tests
hold its distances against the server's, on training and on held-out rows); :class:`PermutationMetric` takes the server's matching.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .base_estimator import Estimator, matrix
from .client import Client

FLOOR = 1e-7
"""Smallest eigenvalue that is whitened, as on the server."""


class _ShapeMetric(Estimator):
    """What metrics have in common: maps of both sides, and distances after them."""

    alpha = 1.0
    center_columns: bool
    zero_pad: bool
    score_method: str
    _metric = ""

    def _padded(self, X: Any, Y: Any) -> tuple[np.ndarray, np.ndarray]:
        x, y = matrix(X, "X").astype(np.float64), matrix(Y, "Y").astype(np.float64)
        if len(x) != len(y):
            raise ValueError(f"X has {len(x)} rows and Y {len(y)}; they are the same samples in the same order")
        if x.shape[1] != y.shape[1] and not self.zero_pad:
            raise ValueError(f"X has {x.shape[1]} columns and Y {y.shape[1]}; zero_pad appends zero columns to the narrower")
        width = max(x.shape[1], y.shape[1])
        return _pad(x, width), _pad(y, width)

    def _centered(self, X: Any, Y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Rows to fit on; keeps their means."""
        x, y = self._padded(X, Y)
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ValueError("there are NaN or infinite values")
        zero = np.zeros(x.shape[1])
        self.means_ = (x.mean(axis=0), y.mean(axis=0)) if self.center_columns else (zero, zero)
        return x - self.means_[0], y - self.means_[1]

    def transform(self, X: Any, Y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Both sides after their maps, with the means of the rows of ``fit``: (n_samples, width) each."""
        maps = self._fitted("maps_")
        x, y = self._padded(X, Y)
        if x.shape[1] != len(maps[0]):
            raise ValueError(f"there are {x.shape[1]} columns; the metric was fitted on {len(maps[0])}")
        return (x - self.means_[0]) @ maps[0], (y - self.means_[1]) @ maps[1]

    def score(self, X: Any, Y: Any) -> float:
        """The distance of rows after the maps of ``fit``; NaN for the angle to a zero matrix."""
        if self.score_method not in ("angular", "euclidean"):
            raise ValueError(f"score_method is {self.score_method!r}; it is angular or euclidean")
        a, b = self.transform(X, Y)
        inner, norm_a, norm_b = float((a * b).sum()), float(np.linalg.norm(a)), float(np.linalg.norm(b))
        if self.score_method == "euclidean":
            return float(np.sqrt(max(norm_a**2 + norm_b**2 - 2 * inner, 0.0)))
        return float(np.arccos(np.clip(inner / (norm_a * norm_b), -1, 1))) if norm_a * norm_b else float("nan")

    def fit_score(self, X: Any, Y: Any) -> float:
        """The distance of the rows that it is fitted on."""
        return float(self.fit(X, Y).score(X, Y))

    def fit(self, X: Any, Y: Any) -> Any:
        """Finds the maps; gives the metric."""
        raise NotImplementedError

    def pairwise_distances(self, X: Any) -> np.ndarray:
        """Distances of every two of several representations, (K, K), by the server."""
        result = self._server.shape_distance(
            X, metric=self._metric, alpha=self.alpha, score=self.score_method, center_columns=self.center_columns, zero_pad=self.zero_pad
        )
        return np.asarray(result["distances"])


class LinearMetric(_ShapeMetric):
    """Rotation of partially whitened columns.

    Center, whiten in part by ``Z = f V diag(alpha + (1 - alpha) / sqrt(l)) V'`` with ``(l, V) = eig(X'X)`` and f such that the total
    variance stays, then the rotations U and V of ``(Xc Zx)' (Yc Zy) = U S V'``: the maps are ``Zx U`` and ``Zy V``.

    Parameters
    ----------
    alpha : float
        1 compares up to rotation (Procrustes), 0 up to invertible maps (CCA).
    center_columns, zero_pad : bool
        Subtract column means; append zero columns to the narrower.
    score_method : str
        ``angular`` (radians) or ``euclidean``.

    Attributes
    ----------
    maps_ : tuple of two arrays (width, width)
    means_ : tuple of two arrays (width,)

    Source: Williams, Kunz, Kornblith & Linderman 2021; netrep ``LinearMetric``.
    """

    _metric = "linear"

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        center_columns: bool = True,
        zero_pad: bool = True,
        score_method: str = "angular",
        client: Client | None = None,
    ) -> None:
        self.alpha = alpha
        self.center_columns = center_columns
        self.zero_pad = zero_pad
        self.score_method = score_method
        self.client = client

    def fit(self, X: Any, Y: Any) -> LinearMetric:
        """Finds the maps of rows.

        Parameters
        ----------
        X, Y : array (n_samples, n_features)
            The same samples in the same order; widths may differ.

        Raises
        ------
        ValueError
            For an alpha outside 0 to 1, different numbers of rows, NaN.
        """
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha is {self.alpha}; it is from 0 (full whitening) to 1 (none)")
        x, y = self._centered(X, Y)
        zx, zy = _whitening(x, self.alpha), _whitening(y, self.alpha)
        u, _, vt = np.linalg.svd((x @ zx).T @ (y @ zy))
        self.maps_ = (zx @ u, zy @ vt.T)
        return self


class PermutationMetric(_ShapeMetric):
    """The best matching of columns, found by the server.

    Parameters
    ----------
    center_columns, zero_pad, score_method
        As of :class:`LinearMetric`.

    Attributes
    ----------
    columns_ : array of int (width,)
        The column of Y for each column of X.
    """

    _metric = "permutation"

    def __init__(
        self, *, center_columns: bool = True, zero_pad: bool = True, score_method: str = "angular", client: Client | None = None
    ) -> None:
        self.center_columns = center_columns
        self.zero_pad = zero_pad
        self.score_method = score_method
        self.client = client

    def fit(self, X: Any, Y: Any) -> PermutationMetric:
        """Finds the matching of columns.

        Parameters
        ----------
        X, Y : array (n_samples, n_features)

        Raises
        ------
        ValueError
            For different numbers of rows, NaN.
        """
        _, y = self._centered(X, Y)
        path = self._server.shape_path(
            X, Y, group="permutation", score="euclidean", center_columns=self.center_columns, n_points=2, keep_points=True
        )
        # The end of the path has the columns of Y in the order of those of X.
        moved = path["points"][-1]
        distances = ((moved[:, :, None] - y[:, None, :]) ** 2).sum(axis=0) if y.size <= 1 << 22 else _distances(moved, y)
        columns = np.full(y.shape[1], -1)
        for j in range(len(columns)):
            columns[j] = distances[j].argmin()
            distances[:, columns[j]] = np.inf
        self.columns_ = columns
        self.maps_ = (np.eye(len(columns)), np.eye(len(columns))[:, columns])
        return self


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances of columns."""
    return np.asarray((a**2).sum(axis=0)[:, None] + (b**2).sum(axis=0) - 2 * a.T @ b)


def _pad(x: np.ndarray, width: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, width - x.shape[1])))


def _whitening(x: np.ndarray, alpha: float) -> np.ndarray:
    if alpha > 1 - FLOOR:
        return np.eye(x.shape[1])
    values, vectors = np.linalg.eigh(x.T @ x)
    values = np.maximum(values, FLOOR)
    after = alpha**2 * values + 2 * alpha * (1 - alpha) * np.sqrt(values) + (1 - alpha) ** 2
    factor = np.sqrt(values.sum() / after.sum())
    return np.asarray((vectors * (factor * (alpha + (1 - alpha) / np.sqrt(values)))) @ vectors.T)
