"""Prediction: encoding models, how many dimensions they need, shared variance, probes, relations of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from .base import Analyses, Inputs, Many, Options, R, Source, listed
from .splits import Contiguous, Cv, KFold, StratifiedShuffleSplit, cv_spec

if TYPE_CHECKING:
    from typing_extensions import Unpack

Model = Union[str, Mapping[str, Any]]
"""The name of an estimator, or its spec as a dictionary."""

Selection = Union[str, int]
"""How ridge chooses among penalties: ``leave_one_out``, ``gcv``, or a number of contiguous folds."""


_PROJECTS = {
    "elmoznino": ("pls", "elmoznino"),
    "brainscore": ("pls", "brainscore"),
    "brainscore_neuroid": ("pls", "brainscore_neuroid"),
    "warping": ("ols", "warping"),
    "dnnbrain": ("ols", "dnnbrain"),
}


def preset_of(name: str, labels: Any) -> tuple[str, Cv, str]:
    """Estimator, splits and final score of a project, as on the page and the command line.

    Raises
    ------
    ValueError
        For an unknown project, or one that splits by classes without labels.
    """
    if name not in _PROJECTS:
        raise ValueError(f"there is no preset {name!r}; there are: {', '.join(_PROJECTS)}")
    model, convention = _PROJECTS[name]
    if name == "warping":
        return model, Contiguous(0.6, 0.2), convention
    if name == "dnnbrain":
        return model, KFold(5), convention
    if labels is None:
        raise ValueError(f"the preset {name} holds out about the same share of every class; give labels, one per row")
    return model, StratifiedShuffleSplit(labels, 10, 0.9, seed=1), convention


def default_alphas() -> list[float]:
    """The default penalties: 20 on a logarithmic scale from 1e-2 to 1e7."""
    return [10.0 ** (-2.0 + 9.0 * i / 19.0) for i in range(20)]


def model_spec(model: Model, inputs: Inputs, given: Mapping[str, Any]) -> dict[str, Any]:
    """An estimator as the server reads it.

    Raises
    ------
    ValueError
        For an argument that belongs to another estimator.
    """
    if isinstance(model, Mapping):
        return dict(model)
    alphas, selection = given.get("alphas"), given.get("selection")
    for name, models in (
        ("alphas", ("ridge", "kernel_ridge", "banded_ridge")),
        ("selection", ("ridge", "kernel_ridge")),
        ("components", ("pls",)),
        ("kernel", ("kernel_ridge",)),
        ("bands", ("banded_ridge",)),
        ("candidates", ("banded_ridge",)),
    ):
        if given.get(name) is not None and model not in models:
            raise ValueError(f"{name} belongs to {' and '.join(models)}, not to {model}")
    alphas = default_alphas() if alphas is None else [float(a) for a in listed(alphas)]
    if selection is None:
        selection = "leave_one_out"
    elif isinstance(selection, int):
        selection = {"kfold": {"k": selection}}
    if model == "ridge":
        return {"name": model, "alphas": alphas, "selection": selection}
    if model == "kernel_ridge":
        kernel = given.get("kernel") or "rbf"
        return {
            "name": model,
            "kernel": {"name": kernel} if isinstance(kernel, str) else dict(kernel),
            "alphas": alphas,
            "selection": selection,
        }
    if model == "banded_ridge":
        bands = inputs.arrays(given["bands"], "band") if given.get("bands") is not None else []
        candidates = given.get("candidates") or 20
        return {
            "name": model,
            "bands": bands,
            "alphas": alphas,
            "candidates": candidates,
            "k": given.get("k", 5),
            "seed": given.get("seed", 0),
        }
    if model == "pls":
        return {"name": model, "components": given.get("components") or 25}
    return {"name": model}


class Prediction(Analyses[R]):
    """What predicts what on held-out rows."""

    def encoding(
        self,
        X: Source,
        Y: Source,
        *,
        preset: str | None = None,
        model: Model | None = None,
        alphas: Sequence[float] | None = None,
        selection: Selection | None = None,
        kernel: Any = None,
        bands: Many | None = None,
        candidates: int | None = None,
        components: int | None = None,
        pca: int | None = None,
        pca_reference: Source | None = None,
        scaled_penalties: bool = False,
        penalize_intercept: bool = False,
        cv: Cv | None = None,
        labels: Any = None,
        keep_predictions: bool = False,
        repetitions: Source | None = None,
        convention: str | None = None,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """Predicts targets from features on held-out rows.

        Parameters
        ----------
        X : array (n_samples, n_features)
            Features.
        Y : array (n_samples, n_targets)
            Targets, the same rows.
        preset : str, optional
            Estimator, splits and final score of a project: ``elmoznino``, ``brainscore``, ``brainscore_neuroid`` (which split by
            ``labels``, one per row), ``warping`` or ``dnnbrain``. What is given beside it wins.
        model : str
            ``ridge`` (default), ``ols``, ``pls``, ``kernel_ridge``, ``banded_ridge`` or ``best_unit``; or a dictionary as in the spec.
        alphas : list of float, optional
            Penalties; each target chooses its own on the training rows. 20 from 1e-2 to 1e7 without it.
        selection : str or int, optional
            How: ``leave_one_out`` (default), ``gcv``, or a number of folds.
        kernel : str or dict, optional
            ``linear``, ``rbf`` (default), or ``{"name": "polynomial", "degree": 3, "gamma": None, "coef0": 0.0}``.
        bands, candidates
            Further feature spaces of ``banded_ridge``, and mixtures of them to try (20); ``seed`` makes the mixtures.
        components : int, optional
            Of ``pls``; 25 without it.
        pca, pca_reference
            Principal components of the features before the model, at most so many; the rows that they are fitted on.
        scaled_penalties, penalize_intercept : bool
            Penalties in units of ``tr(Xc'Xc) / p``; shrink the intercept too.
        cv : int, scheme of :mod:`eigenscope.splits`, or one fold index per row
            How rows are split; ten contiguous folds without it.
        keep_predictions : bool
            Give the held-out prediction of every row and target.
        repetitions : array (n_repetitions, n_samples, n_targets), optional
            Single repetitions of the targets: they give the ceiling.
        convention : str
            How the final score is made: ``raw`` (default), ``elmoznino``, ``brainscore``,
            ``brainscore_neuroid``, ``warping`` or ``dnnbrain``.

        Returns
        -------
        Result
            ``score``, ``score_error``, ``median_r``, ``mean_r``, ``r2_uniform``, ``r2_weighted``, ``explained_variance``, ``pooled_r``,
            ``per_target_r``, ``per_target_r2``, ``per_split``, ``alpha`` (splits x targets), ``ceiling``, ``ceiled``, ``bands``,
            ``predictions``, ``observed``.

        Raises
        ------
        InvalidRequest
            For different numbers of rows, splits that leave too few rows, NaN.
        ValueError
            For an argument that belongs to another model.
        """
        if preset is not None:
            model_of, cv_of, convention_of = preset_of(preset, labels)
            model, cv, convention = model or model_of, cv_of if cv is None else cv, convention or convention_of
        elif labels is not None:
            raise ValueError("labels are for a preset; other splits have their own, as in splits.StratifiedKFold(labels)")
        given = {
            "alphas": alphas,
            "selection": selection,
            "kernel": kernel,
            "bands": bands,
            "candidates": candidates,
            "components": components,
            "seed": seed,
        }
        inputs = Inputs()
        spec = {
            "kind": "encoding",
            "features": inputs.array(X, "X"),
            "targets": inputs.array(Y, "Y"),
            "model": model_spec(model or "ridge", inputs, given),
            "pca": None if pca is None else {"components": pca, "reference": inputs.maybe(pca_reference, "reference")},
            "scaled_penalties": scaled_penalties,
            "penalize_intercept": penalize_intercept,
            "cv": cv_spec(10 if cv is None else cv, inputs),
            "keep_predictions": keep_predictions,
            "repetitions": inputs.maybe(repetitions, "repetitions"),
            "convention": convention or "raw",
        }
        return self._start(spec, inputs, options)

    def dimension_use(
        self,
        X: Source,
        Y: Source,
        *,
        reference: Source | None = None,
        model: Model = "ols",
        alphas: Sequence[float] | None = None,
        selection: Selection | None = None,
        components: int | None = None,
        cv: Cv = 10,
        num_pcs: Sequence[int] = (1, 2, 3, 4, 6, 9, 14, 21, 30, 45, 66, 97, 142, 207, 304, 445, 652, 955, 1398, 2048),
        pool: str = "max",
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """Encoding score against the number of principal components of the features.

        Parameters
        ----------
        X : array (n_samples, n_features) or (n, C, H, W)
            Features.
        Y : array (n_samples, n_targets)
            Targets.
        reference : array, optional
            Rows that the components are fitted on; without it the training rows of each split.
        model, alphas, selection, components
            ``ols``, ``ridge`` or ``pls``, as in :meth:`encoding`.
        cv : int, scheme or folds
            As in :meth:`encoding`.
        num_pcs : list of int
            Numbers of components; larger ones than the data have are left out.

        Returns
        -------
        Result
            ``num_pcs``, ``scores``, ``sems``, ``r2``, ``r2_sems``, ``per_split_r``, ``per_target_r``, ``reach`` (``best``,
            ``best_num_pcs``, ``enough_num_pcs``: 95 % of the best), ``r2_reach``.

        Raises
        ------
        InvalidRequest
            As :meth:`encoding`.
        """
        inputs = Inputs()
        spec = {
            "kind": "dimension_use",
            "features": inputs.array(X, "X"),
            "targets": inputs.array(Y, "Y"),
            "reference": inputs.maybe(reference, "reference"),
            "model": model_spec(model, inputs, {"alphas": alphas, "selection": selection, "components": components}),
            "cv": cv_spec(cv, inputs),
            "num_pcs": listed(num_pcs),
            "pool": pool,
            "seed": seed,
        }
        return self._start(spec, inputs, options)

    def variance_partition(
        self,
        spaces: Many,
        Y: Source,
        *,
        model: Model = "ridge",
        alphas: Sequence[float] | None = None,
        selection: Selection | None = None,
        cv: Cv | None = 10,
        **options: Unpack[Options],
    ) -> R:
        """What two to four feature spaces explain of targets alone, and what they share.

        Parameters
        ----------
        spaces : two to four arrays (n_samples, n_features)
            Feature spaces; the first is A.
        Y : array (n_samples, n_targets)
            Targets.
        model, alphas, selection
            ``ridge`` or ``ols``, as in :meth:`encoding`.
        cv : int, scheme, folds or None
            As in :meth:`encoding`; ``None`` fits and scores on all rows.

        Returns
        -------
        Result
            ``parts`` of ``{Row, spaces, Coefficient, Percent_Total}``, ``models``, ``per_target``, ``per_target_r2``.

        Raises
        ------
        InvalidRequest
            For another number of spaces, different rows, NaN.
        """
        inputs = Inputs()
        spec = {
            "kind": "variance_partition",
            "spaces": inputs.arrays(spaces, "space"),
            "targets": inputs.array(Y, "Y"),
            "model": model_spec(model, inputs, {"alphas": alphas, "selection": selection}),
            "cv": None if cv is None else cv_spec(cv, inputs),
        }
        return self._start(spec, inputs, options)

    def probe(
        self,
        layers: Many,
        labels: Any = None,
        *,
        targets: Source | None = None,
        columns: Sequence[str] = (),
        estimator: str = "logistic",
        c: float | None = None,
        alpha: float | None = None,
        pca: int | None = 100,
        map: str = "mv",
        nested: bool = False,
        rank: str = "abs",
        iterate: str = "none",
        score: str = "r2",
        folds: int = 10,
        cv: Cv | None = None,
        models: bool = False,
        **options: Unpack[Options],
    ) -> R:
        """What linear models or the best single units read out of layers, on held-out rows.

        Parameters
        ----------
        layers : array (n_samples, n_units) or (n, C, H, W), or several
            Activations.
        labels : one label per row
            Classes, for ``logistic``, ``svc`` and ``ridge_classifier``.
        targets : array (n_samples,) or (n_samples, n_behaviors)
            Numbers, for ``ridge``, ``glm``, ``lasso`` and ``corr``; of a table the ``columns``.
        c, alpha : float, optional
            Weight of the losses (1 of ``logistic``, 0.025 of ``svc``); penalty of the ridges and of ``lasso`` (1).
        pca : int, optional
            Principal components of the training rows that a fit sees; ``None``: the units as they are.
        map : str
            ``mv`` (all units) or ``uv`` (the best one; ``nested``: chosen on training rows).
        rank : str
            The best correlation of ``corr``: ``abs`` or ``signed``.
        iterate : str
            ``none``, ``channel`` or ``position``.
        score : str
            Of regressors: ``r2``, ``explained_variance`` or ``correlation``.
        folds, cv
            Number of folds (stratified for classifiers, contiguous for regressors), or other splits.
        models : bool
            Also fit on all rows and keep the weights.

        Returns
        -------
        Result
            ``layers`` of ``{name, mean, sem, scores, confusion, location, models, …}``, ``behaviors``, ``classes``, ``chance``. Of a
            single layer these are attributes of the result.

        Raises
        ------
        InvalidRequest
            For a single class, classes with fewer rows than folds, NaN.
        """
        inputs = Inputs()
        spec = {
            "kind": "probe",
            "layers": inputs.arrays(layers, "layer"),
            "labels": {"input": "", "column": None} if labels is None else inputs.labels(labels, "labels"),
            "targets": "" if targets is None else inputs.array(targets, "targets"),
            "columns": listed(columns),
            "estimator": estimator,
            "c": c,
            "alpha": alpha,
            "pca": pca,
            "map": map,
            "nested": nested,
            "rank": rank,
            "iterate": iterate,
            "score": score,
            "folds": folds,
            "cv": None if cv is None else cv_spec(cv, inputs),
            "models": models,
        }
        return self._start(spec, inputs, options)

    def relation(
        self,
        tables: Any,
        *,
        x: str = "effective dimensionality",
        y: str = "score",
        log_x: bool = False,
        log_y: bool = False,
        by: str | Sequence[str] = (),
        best_layer: bool = False,
        given: str | Sequence[str] = (),
        curve: str = "line",
        partition: Sequence[str] = (),
        bootstrap: int = 1000,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """Relates two columns of joined tables: correlations, groups, partial correlation, commonality.

        Parameters
        ----------
        tables : table or several
            Data frames, dictionaries of columns, or files; joined on the columns that they share of
            architecture, task, kind, source and layer.
        x, y : str
            Columns; ``TABLE::COLUMN`` where several tables have one, ``depth`` for the depth of a layer.
        log_x, log_y : bool
            Take log10.
        by : str or list of str
            Columns whose values divide the points into groups.
        best_layer : bool
            Also correlate the best layer of each model.
        given, partition : list of str
            What is held constant; two or three predictors that share the variance of y. ``log10:COLUMN`` takes its logarithm.
        curve : str
            ``line`` or ``quadratic``.
        bootstrap : int
            Resamples of the points for 95 % intervals; 0 for none.

        Returns
        -------
        Result
            ``n``, ``pearson_r``, ``pearson_p``, ``pearson_interval``, ``spearman_r``, …, ``fit``, ``groups``, ``best_layer``,
            ``partial``, ``partition``, ``rows``.

        Raises
        ------
        InvalidRequest
            For unknown columns, tables that share no identity, logarithms of numbers that are not positive.
        """
        inputs = Inputs()
        spec = {
            "kind": "relation",
            "tables": inputs.tables(tables, "table"),
            "x": x,
            "y": y,
            "log_x": log_x,
            "log_y": log_y,
            "by": listed(by),
            "best_layer": best_layer,
            "given": [_term(t) for t in listed(given)],
            "curve": curve,
            "partition": [_term(t) for t in listed(partition)],
            "bootstrap": bootstrap,
            "seed": seed,
        }
        return self._start(spec, inputs, options)


def _term(term: str) -> dict[str, Any]:
    column = term.removeprefix("log10:")
    return {"column": column, "log": column != term}
