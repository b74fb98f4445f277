"""Shapes: distances between networks, their average and the way between them, and measures of similarity by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .base import Analyses, Inputs, Many, Options, R, Source, listed

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Shapes(Analyses[R]):
    """Representations compared as shapes: rows are the same samples in the same order."""

    def shape_distance(
        self,
        X: Many,
        *,
        against: Many | None = None,
        metric: str = "linear",
        alpha: float = 1.0,
        score: str = "angular",
        center_columns: bool = True,
        zero_pad: bool = True,
        train_fraction: float | None = None,
        n_folds: int | None = None,
        channels: str = "first",
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """Generalized shape distances of every two representations, or of each to those of ``against``.

        Parameters
        ----------
        X : several arrays (n_samples, n_features), widths may differ
            Representations; for ``convolutional`` (n, C, H, W).
        against : several arrays, optional
            The columns of the table; without it all pairs of ``X``.
        metric : str
            ``linear`` (rotations of partially whitened columns), ``permutation``, ``identity``, ``cka`` or ``convolutional``.
        alpha : float
            From 0 (full whitening, like CCA) to 1 (none, Procrustes).
        score : str
            ``angular`` (radians) or ``euclidean``.
        center_columns, zero_pad : bool
            Subtract column means; append zero columns to the narrower representation.
        train_fraction : float, optional
            Rows (a seeded choice) that alignments are fitted on; the rest gives ``test_distances``.
        n_folds : int, optional
            Contiguous folds, each held out once; distances are means.
        channels : str
            ``first`` or ``last``, for ``convolutional``.

        Returns
        -------
        Result
            ``distances`` (K, K) or (K, M), ``test_distances``, ``names``, ``folds``, ``shifts``.

        Raises
        ------
        InvalidRequest
            For different numbers of rows, fewer than two representations, NaN.
        """
        inputs = Inputs()
        spec = {
            "kind": "shape_distance",
            "inputs": inputs.arrays(X, "X"),
            "against": [] if against is None else inputs.arrays(against, "against"),
            "metric": metric,
            "alpha": alpha,
            "score": score,
            "center_columns": center_columns,
            "zero_pad": zero_pad,
            "train_fraction": train_fraction,
            "n_folds": n_folds,
            "channels": channels,
            "seed": seed,
        }
        return self._start(spec, inputs, options)

    def stochastic_distance(
        self,
        X: Many,
        *,
        covariances: Many | None = None,
        metric: str = "gaussian",
        alpha: float = 1.0,
        group: str = "orthogonal",
        weights: str = "sqrt",
        ridge: float = 1e-6,
        n_random: int = 0,
        tol: float | None = None,
        max_iter: int = 1000,
        train_fraction: float | None = None,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """Distances of responses that vary from repeat to repeat.

        Parameters
        ----------
        X : several arrays (n_conditions, n_repeats, n_neurons)
            Responses; for ``process`` and ``marginal`` (n_trials, n_times, n_neurons); means
            (n_conditions, n_neurons) with ``covariances``.
        covariances : several arrays (n_conditions, n_neurons, n_neurons), optional
            In the order of ``X``; computed from repeats without them.
        metric : str
            ``gaussian``, ``energy``, ``process`` or ``marginal``.
        alpha : float
            2: means only; 1: 2-Wasserstein; 0: covariances only.
        group : str
            ``orthogonal``, ``permutation`` or ``identity``.
        weights : str
            ``sqrt``, or ``linear`` as netrep has them.
        ridge, n_random, tol, max_iter
            Diagonal that is added to covariances; random starts, tolerance and length of a fit.
        train_fraction : float, optional
            Conditions that maps are fitted on; the rest gives ``test_distances``.

        Returns
        -------
        Result
            ``distances`` (K, K), ``test_distances``, ``iterations``, ``names``.

        Raises
        ------
        InvalidRequest
            For a single repeat, different conditions, NaN.
        """
        inputs = Inputs()
        spec = {
            "kind": "stochastic_distance",
            "inputs": inputs.arrays(X, "X"),
            "covariances": [] if covariances is None else inputs.arrays(covariances, "covariance"),
            "metric": metric,
            "alpha": alpha,
            "group": group,
            "weights": weights,
            "ridge": ridge,
            "n_random": n_random,
            "tol": tol,
            "max_iter": max_iter,
            "train_fraction": train_fraction,
            "seed": seed,
        }
        return self._start(spec, inputs, options)

    def shape_average(
        self,
        X: Many,
        *,
        group: str = "orthogonal",
        averaging: str = "full_batch",
        center_columns: bool = True,
        normalize: bool = False,
        n_clusters: int = 1,
        score: str = "angular",
        n_starts: int = 5,
        tol: float = 1e-6,
        max_iter: int = 500,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """The average of shapes (Fréchet or Procrustes mean), the variation around it, and clusters around averages.

        It minimizes ``sum_i min_T |M - X_i T|^2`` over M, T in the group.

        Parameters
        ----------
        X : several arrays (n_samples, n_features)
            Representations.
        group : str
            ``orthogonal``, ``permutation`` or ``identity``.
        averaging : str
            ``full_batch``, ``streaming`` or ``sequential``.
        normalize : bool
            Divide each representation by its norm.
        n_clusters : int
            Clusters around averages; none are looked for if it is 1.
        score : str
            Distances of clusters: ``angular`` or ``euclidean``.

        Returns
        -------
        Result
            ``mean`` (n_samples, dimensions), ``distances``, ``shared``, ``components`` (``scores``, ``variances``, ``explained``),
            ``n_sweeps``, ``converged``, ``clusters``.

        Raises
        ------
        InvalidRequest
            For fewer than two representations, different numbers of rows, NaN.
        """
        inputs = Inputs()
        spec = {
            "kind": "shape_average",
            "inputs": inputs.arrays(X, "X"),
            "group": group,
            "averaging": averaging,
            "center_columns": center_columns,
            "normalize": normalize,
            "n_clusters": n_clusters,
            "score": score,
            "n_starts": n_starts,
            "tol": tol,
            "max_iter": max_iter,
            "seed": seed,
        }
        return self._start(spec, inputs, options)

    def shape_path(
        self,
        X: Source,
        Y: Source,
        *,
        others: Many | None = None,
        group: str = "orthogonal",
        score: str = "angular",
        center_columns: bool = True,
        n_points: int = 11,
        keep_points: bool = False,
        **options: Unpack[Options],
    ) -> R:
        """The shortest way between two shapes, and how far others are from it.

        Parameters
        ----------
        X, Y : array (n_samples, n_features)
            Where the path starts and ends.
        others : several arrays, optional
            Representations whose distances to the points of the path are measured.
        group : str
            ``orthogonal``, ``permutation`` or ``identity``.
        score : str
            ``angular`` (an arc, scale does not count) or ``euclidean`` (a straight line after alignment).
        n_points : int
            Points of the path, both ends included.
        keep_points : bool
            Give the points themselves, in the columns of X.

        Returns
        -------
        Result
            ``length``, ``t``, ``distances`` (x, y and the others by points), ``names``, ``points`` (n_points, n_samples, width).

        Raises
        ------
        InvalidRequest
            For different numbers of rows, or an angular path of a representation without variance.
        """
        inputs = Inputs()
        spec = {
            "kind": "shape_path",
            "x": inputs.array(X, "X"),
            "y": inputs.array(Y, "Y"),
            "others": [] if others is None else inputs.arrays(others, "other"),
            "group": group,
            "score": score,
            "center_columns": center_columns,
            "n_points": n_points,
            "keep_points": keep_points,
        }
        return self._start(spec, inputs, options)

    def similarity(self, X: Source, Y: Source, measures: str | Sequence[str] = "all", **options: Unpack[Options]) -> R:
        """Measures of similarity of two representations, by their names in the catalogue.

        Parameters
        ----------
        X, Y : array (n_samples, n_features)
            The same samples in the same order.
        measures : str or list of str
            Names such as ``cka-kernel=linear-hsic=song-score``; ``all`` for the catalogue (without its slow ones). ``eigenscope measures``
            on the command line lists them with their invariances.

        Returns
        -------
        Result
            ``values`` and, for measures that have none, the reason in ``left_out``, both by name.

        Raises
        ------
        InvalidRequest
            For a name that is not in the catalogue (with those that are near), different numbers of rows, NaN.
        """
        inputs = Inputs()
        spec: dict[str, Any] = {"kind": "similarity", "x": inputs.array(X, "X"), "y": inputs.array(Y, "Y"), "measures": listed(measures)}
        return self._start(spec, inputs, options)
