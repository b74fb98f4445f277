"""Populations: dimensionality, class manifolds, few-shot classification, projections, tuning curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .base import Analyses, Inputs, Many, Options, R, Source, listed

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Populations(Analyses[R]):
    """What one population looks like."""

    def dimensionality(
        self,
        X: Many,
        *,
        pool: str = "avg",
        centering: str = "column",
        alpha: str = "logspaced",
        spectrum: bool = True,
        intrinsic: bool = False,
        two_nn_fraction: float = 1.0,
        labels: Any = None,
        zca: Source | None = None,
        generator: str = "pcg64",
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """Eigenspectrum and effective dimensionality.

        ``effective_dimensionality = (sum l)^2 / sum l^2`` over the eigenvalues ``l`` of the covariance (ddof 1).

        Parameters
        ----------
        X : array (n_samples, n_features) or (n, C, H, W), or several
            Responses; more than two axes are pooled to a matrix.
        pool : str
            ``avg``, ``max``, ``median``, ``l1``, ``l2``, ``l1_matrix``, ``l2_matrix``, ``flatten``, or ``none`` (random projection).
        centering : str
            ``column``, ``none``, ``both`` or ``z``.
        alpha : str
            Which power-law exponent: ``logspaced``, ``tail_cut`` or ``range``.
        spectrum : bool
            Whether to compute eigenvalues; without them only the dimensionalities.
        intrinsic : bool
            Whether to estimate intrinsic dimensions from distances between rows (n^2 p more).
        two_nn_fraction : float
            Share of the smallest distance ratios that the line of TwoNN is fitted to.
        labels : one label per row, optional
            For intrinsic dimensions within and between classes.
        zca : array, optional
            Rows that a ZCA transform is fitted on, which is applied first.
        generator, seed
            Random numbers of ``pool="none"``: ``pcg64`` or ``numpy_legacy``.

        Returns
        -------
        Result
            ``spectra``, one per input: ``n_samples``, ``n_features``, ``effective_dimensionality``, ``effective_dimensionality_unbiased``
            (``_row``, ``_col``), ``entropy_dimension``, ``effective_rank``, ``variance_80_count``, ``power_law_alpha``,
            ``power_law_intercept``, ``intrinsic``, ``eigenvalues`` (descending). Of a single input these are attributes of the result.

        Raises
        ------
        InvalidRequest
            For NaN or infinite values, fewer than two samples, other shapes.
        """
        inputs = Inputs()
        spec = {
            "kind": "dimensionality",
            "inputs": inputs.arrays(X, "X"),
            "pool": pool,
            "centering": centering,
            "alpha": alpha,
            "spectrum": spectrum,
            "intrinsic": intrinsic,
            "two_nn_fraction": two_nn_fraction,
            "labels": inputs.maybe_labels(labels, "labels"),
            "zca": inputs.maybe(zca, "zca"),
            "generator": generator,
            "seed": seed,
        }
        return self._start(spec, inputs, options)

    def manifolds(
        self,
        X: Source,
        labels: Any,
        *,
        pool: str = "avg",
        m_shots: int | None = None,
        generator: str = "pcg64",
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """Geometry of class manifolds: radius and dimension of each class; signal, bias, overlaps and signal-to-noise ratio of each pair.

        Parameters
        ----------
        X : array (n_samples, n_features) or (n, C, H, W)
            Responses.
        labels : one label per row
            Classes.
        pool, generator, seed
            As in :meth:`dimensionality`.
        m_shots : int, optional
            The m of the signal-to-noise ratio; without it the number of rows of the class.

        Returns
        -------
        Result
            ``classes``, ``n_rows``, ``radius``, ``dimensionality`` (per class), ``signal``, ``bias``, ``self_overlap``, ``other_overlap``,
            ``snr`` (classes x classes, NaN on the diagonal), ``between_radius``, ``between_dimensionality``, ``summary``.

        Raises
        ------
        InvalidRequest
            For a single class, classes with too few rows, NaN.
        """
        inputs = Inputs()
        spec = {
            "kind": "manifolds",
            "features": inputs.array(X, "X"),
            "labels": inputs.labels(labels, "labels"),
            "pool": pool,
            "m_shots": m_shots,
            "generator": generator,
            "seed": seed,
        }
        return self._start(spec, inputs, options)

    def few_shot(
        self,
        X: Source,
        labels: Any,
        *,
        pool: str = "max",
        classifiers: Sequence[str] = ("prototype", "linear"),
        n_train: Sequence[int] = (1, 5, 20, 50),
        n_test: int = 50,
        n_repeats: int = 10,
        n_categories: int | None = 50,
        n_samples: int | None = None,
        order: str = "independent",
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """Classification from a few samples of each class.

        Parameters
        ----------
        X : array (n_samples, n_features) or (n, C, H, W)
            Responses.
        labels : one label per row
            Classes.
        classifiers : list of str
            ``prototype`` (nearest class mean), ``linear`` (multinomial logistic regression), ``maxmargin`` (support vector machines).
        n_train, n_test : list of int, int
            Training and held-out samples of each class.
        n_repeats : int
            Repeats with other samples; at most 100,000.
        n_categories, n_samples : int, optional
            The first so many classes, and rows of each; ``None``: all, and as many as every class has.
        order : str
            ``independent`` or ``composed`` (numpy's legacy generator).

        Returns
        -------
        Result
            ``rows`` of ``{classifier, n_train, i_repeat, top1, top5, mrr, log_likelihood}``, ``summaries`` with ``{mean, sem}`` over
            repeats, ``confusions``, ``classes``, ``chance``.

        Raises
        ------
        InvalidRequest
            When a class has fewer rows than ``max(n_train) + n_test``.
        """
        inputs = Inputs()
        spec = {
            "kind": "few_shot",
            "features": inputs.array(X, "X"),
            "labels": inputs.labels(labels, "labels"),
            "pool": pool,
            "classifiers": listed(classifiers),
            "n_train": listed(n_train),
            "n_test": n_test,
            "n_repeats": n_repeats,
            "n_categories": n_categories,
            "n_samples": n_samples,
            "order": order,
            "seed": seed,
        }
        return self._start(spec, inputs, options)

    def projection(
        self,
        X: Source,
        labels: Any,
        *,
        pool: str = "max",
        n_categories: int | None = 50,
        n_samples: int | None = 50,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """Distances between class centroids, and how far samples reach along them.

        Parameters
        ----------
        X : array (n_samples, n_features) or (n, C, H, W)
            Responses.
        labels : one label per row
            Classes.
        n_categories, n_samples : int, optional
            The first so many classes, and rows of each; ``None``: all.

        Returns
        -------
        Result
            ``centroid_distances``, ``scaled_projections``, ``projections_raw`` (classes x classes, rows are projected), ``radii``, and
            their means ``off_diagonal`` and ``with_diagonal``.

        Raises
        ------
        InvalidRequest
            For a single class, classes of one row, NaN.
        """
        inputs = Inputs()
        spec = {
            "kind": "projection",
            "features": inputs.array(X, "X"),
            "labels": inputs.labels(labels, "labels"),
            "pool": pool,
            "n_categories": n_categories,
            "n_samples": n_samples,
            "seed": seed,
        }
        return self._start(spec, inputs, options)

    def tuning(self, X: Source, stimuli: Any, *, period: float | None = 180.0, **options: Unpack[Options]) -> R:
        """Tuning curves: mean responses of units to stimulus values, and what they prefer.

        Parameters
        ----------
        X : array (n_trials, n_units)
            Responses.
        stimuli : one number per row
            Stimulus values.
        period : float, optional
            After how much the stimulus repeats itself (180 for orientations in degrees); ``None`` for stimuli along a line.

        Returns
        -------
        Result
            ``values``, ``n_trials``, ``means`` and ``sems`` (units x values), and with a period ``preferred`` and ``selectivity`` per unit.

        Raises
        ------
        InvalidRequest
            When stimuli are not numbers, or one per row is not there.
        """
        inputs = Inputs()
        spec = {"kind": "tuning", "input": inputs.array(X, "X"), "stimuli": inputs.labels(stimuli, "stimuli"), "period": period}
        return self._start(spec, inputs, options)
