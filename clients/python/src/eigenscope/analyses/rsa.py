"""Representational similarity: RDMs, their comparison and pooling, pictures of them, searchlights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from .base import Analyses, Inputs, Many, Options, R, Source

if TYPE_CHECKING:
    from typing_extensions import Unpack

Transform = Union[str, "tuple[str, float, float]"]
"""``rank``, ``sqrt``, ``positive``, ``min_max``, ``geodesic``, or ``("geo_topological", low, high)``."""


@dataclass(frozen=True)
class Flexible:
    """A model RDM with parameters, fitted and scored on folds.

    Parameters
    ----------
    rdms : array or several
        Its RDMs.
    family : str
        ``non_negative`` (a sum with weights of 0 or more), ``weighted`` (any weights), ``select`` (the one that fits best) or
        ``interpolate`` (between two neighbors of the list).
    name : str
        What it is called.
    ridge : float
        Penalty of the squared weights of ``weighted``.
    """

    rdms: Any
    family: str = "non_negative"
    name: str = "flexible"
    ridge: float = 0.0


def _transform(transform: Any) -> Any:
    if isinstance(transform, (tuple, list)):
        name, low, high = transform
        return {name: {"low": low, "high": high}}
    return transform


def rdm_fields(inputs: Inputs, X: Source, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """The fields of an RDM's spec from the arguments of :meth:`Rsa.rdm`."""
    noise = given["noise"]
    if isinstance(noise, str):
        noise = {
            "covariance": noise,
            "residuals": inputs.maybe(given["residuals"], "residuals"),
            "runs": inputs.maybe_labels(given["runs"], "runs"),
            "per_fold": given["noise_per_fold"],
            "degrees_of_freedom": given["degrees_of_freedom"],
        }
    elif noise is None and given["residuals"] is not None:
        raise ValueError("residuals are for noise='shrinkage_diag', 'shrinkage_eye', 'full' or 'diag'; name one of them")
    plain = (
        "measure",
        "fold_weights",
        "row_pairs",
        "remove_mean",
        "normalize",
        "sigma",
        "minkowski_p",
        "prior_lambda",
        "prior_weight",
        "half",
        "time_bins",
    )
    return {
        "input": inputs.array(X, name),
        **{key: given[key] for key in plain},
        "conditions": inputs.maybe_labels(given["conditions"], "conditions"),
        "folds": inputs.maybe_labels(given["folds"], "folds"),
        "precision": inputs.maybe(given["precision"], "precision"),
        "noise": noise,
        "transforms": [_transform(t) for t in given["transforms"]],
    }


class Rsa(Analyses[R]):
    """Representational similarity analysis."""

    def rdm(
        self,
        X: Source,
        *,
        measure: str = "correlation",
        conditions: Any = None,
        folds: Any = None,
        fold_weights: str = "fold",
        row_pairs: str | None = None,
        remove_mean: bool = False,
        normalize: bool = True,
        sigma: float = 1.0,
        minkowski_p: float = 3.0,
        prior_lambda: float = 1.0,
        prior_weight: float = 0.1,
        half: bool = False,
        precision: Source | None = None,
        noise: str | None = None,
        residuals: Source | None = None,
        runs: Any = None,
        noise_per_fold: bool = False,
        degrees_of_freedom: int | None = None,
        time_bins: int | None = None,
        transforms: Sequence[Transform] = (),
        **options: Unpack[Options],
    ) -> R:
        """Representational dissimilarity matrix.

        Parameters
        ----------
        X : array (n_rows, n_channels), with ``time_bins`` (n_rows, n_channels, n_times)
            Rows are conditions, or measurements of them (see ``conditions``).
        measure : str
            ``correlation`` (1 - Pearson r), ``euclidean``, ``sqeuclidean`` (per channel with ``normalize``), ``cosine``, ``mahalanobis``,
            ``crossnobis``, ``poisson``, ``poisson_cv``, ``gaussian``, ``minkowski``, ``cityblock`` or ``chebyshev``.
        conditions : one label per row, optional
            Rows of one condition are averaged.
        folds : one label per row, optional
            Fold (run, session) for ``crossnobis`` and ``poisson_cv``; without it the r-th row of each condition is in fold r.
        fold_weights : str
            ``fold`` (equally) or ``row`` (each fold against the mean of all other rows).
        row_pairs : str, optional
            Average over pairs of rows, for designs and data with gaps: ``channels`` or ``equal``.
        remove_mean : bool
            Subtract each row's mean first.
        sigma, minkowski_p, prior_lambda, prior_weight, half
            Parameters of ``gaussian``, ``minkowski`` and ``poisson``.
        precision : array (n_channels, n_channels), optional
            Noise precision of ``mahalanobis`` and ``crossnobis``.
        noise : str, optional
            Estimate the noise covariance instead: ``shrinkage_diag``, ``shrinkage_eye``, ``full`` or ``diag``; from ``residuals``
            (rows x channels, ``runs`` one label per row), or from the deviations of rows from the mean of their condition.
        time_bins : int, optional
            One RDM for each of so many parts of the third axis; 0 for every point.
        transforms : list
            What is done to the dissimilarities at the end, see :data:`Transform`.

        Returns
        -------
        Result
            ``rdm`` (n, n) or (times, n, n), NaN where undefined; ``n``, ``conditions``, ``times``, ``condition_covariance``.

        Raises
        ------
        InvalidRequest
            For fewer than two conditions, NaN without ``row_pairs``, a precision that does not fit.
        """
        given = {k: v for k, v in locals().items() if k not in ("self", "X", "options")}
        inputs = Inputs()
        return self._start({"kind": "rdm", **rdm_fields(inputs, X, "X", given)}, inputs, options)

    def rdm_comparison(
        self,
        data: Many,
        models: Many = (),
        *,
        compare: str = "corr",
        sigma_k: Source | None = None,
        flexible: Sequence[Flexible] = (),
        condition_folds: int | None = None,
        data_folds: int | None = None,
        fold_repeats: int = 2,
        bootstrap: int = 0,
        over: str = "dual",
        test: str = "t",
        correction: str = "fdr",
        permutations: int = 0,
        groups: Any = None,
        seed: int = 0,
        keep_rdms: bool = False,
        **options: Unpack[Options],
    ) -> R:
        """Compares data RDMs with model RDMs: scores, noise ceiling, standard errors, tests.

        Parameters
        ----------
        data, models : array (K, K), (R, K, K) or (R, K (K - 1) / 2), or several
            RDMs; NaN marks a missing pair. The keys of a dictionary become the names of the models.
        compare : str
            ``corr``, ``cosine``, ``spearman``, ``rho-a``, ``tau-a``, ``tau-b``, ``corr_cov``, ``cosine_cov``, ``bures``, ``bures_metric``,
            ``neg_riem_dist`` or ``euclidean``.
        sigma_k : array (K, K), optional
            Covariance of the conditions, for ``corr_cov``, ``cosine_cov`` and ``neg_riem_dist``.
        flexible : list of Flexible
            Models with parameters; with them all models are scored on held-out conditions of held-out data RDMs
            (``condition_folds``, ``data_folds``, ``fold_repeats``).
        bootstrap : int
            Resamples ``over`` ``pattern`` (conditions), ``rdm`` (data RDMs), ``both`` or ``dual``; 0: errors over data RDMs alone.
        test : str
            ``t``, ``bootstrap`` or ``signed_rank``.
        correction : str
            ``fdr``, ``bonferroni`` or ``none``.
        permutations : int
            Permutations of the conditions of each model, and of ``groups`` (two labels, one per data RDM).

        Returns
        -------
        Result
            ``models`` of ``{name, mean, sem, interval, p_vs_0, p_vs_ceiling, …}``, ``noise_ceiling``, ``scores`` (models x data RDMs),
            ``inference``, ``rdms``.

        Raises
        ------
        InvalidRequest
            For RDMs of different sizes, fewer than three conditions, a covariance that does not fit.
        """
        inputs = Inputs()
        spec = {
            "kind": "rdm_comparison",
            "data": inputs.arrays(data, "data"),
            "models": inputs.arrays(models, "model") if not isinstance(models, (tuple, list, dict)) or models else [],
            "compare": compare,
            "sigma_k": inputs.maybe(sigma_k, "sigma_k"),
            "flexible": [
                {"name": f.name, "family": f.family, "rdms": inputs.arrays(f.rdms, f"{f.name}_rdm"), "ridge": f.ridge} for f in flexible
            ],
            "cv": {"conditions": condition_folds, "data": data_folds, "repeats": fold_repeats},
            "inference": {
                "bootstrap": bootstrap,
                "over": over,
                "test": test,
                "correction": correction,
                "permutations": permutations,
                "groups": inputs.maybe_labels(groups, "groups"),
                "seed": seed,
            },
            "keep_rdms": keep_rdms,
        }
        return self._start(spec, inputs, options)

    def rdm_pool(self, rdms: Many, *, conditions: Sequence[Any] = (), rescale: str = "none", **options: Unpack[Options]) -> R:
        """Several RDMs, of the same or of overlapping conditions, as one.

        Parameters
        ----------
        rdms : array or several
            RDMs as in :meth:`rdm_comparison`.
        conditions : list of labels
            For each input the names of its conditions; without them all have the same.
        rescale : str
            ``none``, ``evidence``, ``setsize`` or ``simple``.

        Returns
        -------
        Result
            ``rdm`` and ``counts`` (n, n), ``conditions``, ``steps``.

        Raises
        ------
        InvalidRequest
            When conditions and RDMs do not fit.
        """
        inputs = Inputs()
        spec = {
            "kind": "rdm_pool",
            "inputs": inputs.arrays(rdms, "rdm"),
            "conditions": [inputs.labels(names, "conditions") for names in conditions],
            "rescale": rescale,
        }
        return self._start(spec, inputs, options)

    def embedding(
        self,
        rdm: Source,
        *,
        index: int | None = None,
        method: str = "smacof",
        dimensions: int = 2,
        n_starts: int = 4,
        perplexity: float = 15.0,
        n_neighbors: int | None = None,
        min_dist: float = 0.1,
        linkage: str = "average",
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """Conditions of an RDM as points and as a tree.

        Parameters
        ----------
        rdm : array (K, K), (R, K, K) or (R, K (K - 1) / 2)
            Dissimilarities.
        index : int, optional
            Which of several RDMs, from 0; their mean without it.
        method : str
            ``smacof``, ``classical``, ``tsne``, ``isomap`` or ``umap``.
        n_starts, perplexity, n_neighbors, min_dist
            Parameters of these methods.
        linkage : str
            How clusters merge: ``average``, ``complete``, ``single`` or ``ward``.

        Returns
        -------
        Result
            ``points`` (K, dimensions), ``stress``, ``correlation``, ``explained``, ``divergence``, ``merges``, ``leaves``.

        Raises
        ------
        InvalidRequest
            For missing pairs, a perplexity that is too large, too many dimensions.
        """
        inputs = Inputs()
        spec = {
            "kind": "embedding",
            "input": inputs.array(rdm, "rdm"),
            "rdm": index,
            "method": method,
            "dimensions": dimensions,
            "n_starts": n_starts,
            "perplexity": perplexity,
            "n_neighbors": n_neighbors,
            "min_dist": min_dist,
            "linkage": linkage,
            "seed": seed,
        }
        return self._start(spec, inputs, options)

    def clustering(
        self,
        distances: Source,
        *,
        index: int | None = None,
        method: str = "agglomerative",
        linkage: str = "average",
        n_clusters: int = 3,
        threshold: float | None = None,
        eps: float | None = None,
        min_samples: int | None = None,
        max_eps: float | None = None,
        xi: float = 0.05,
        min_cluster_size: int = 5,
        **options: Unpack[Options],
    ) -> R:
        """Clusters of items from their distances.

        Parameters
        ----------
        distances : array (K, K), (R, K, K) or (R, K (K - 1) / 2)
            Distances.
        index : int, optional
            Which of several matrices, from 0; their mean without it.
        method : str
            ``agglomerative`` (``linkage``, ``n_clusters`` or ``threshold``), ``k_medoids`` (``n_clusters``), ``dbscan`` (``eps``,
            ``min_samples``), ``optics`` (``min_samples``, ``max_eps``, ``xi``) or ``hdbscan`` (``min_cluster_size``, ``min_samples``).
        min_samples : int, optional
            Items of a dense neighborhood, the item included; 5, for ``hdbscan`` as ``min_cluster_size``, without it.

        Returns
        -------
        Result
            ``labels`` (NaN for noise), ``n_clusters``, ``silhouettes``, ``order``, ``merges``, ``medoids``, ``reachability``.

        Raises
        ------
        InvalidRequest
            For missing pairs, more clusters than items.
        ValueError
            For ``dbscan`` without ``eps``.
        """
        if method == "dbscan" and eps is None:
            raise ValueError("dbscan needs eps, the radius of a neighborhood")
        five = 5 if min_samples is None else min_samples
        methods: dict[str, dict[str, Any]] = {
            "agglomerative": {"linkage": linkage, "n_clusters": n_clusters, "threshold": threshold},
            "k_medoids": {"n_clusters": n_clusters},
            "dbscan": {"eps": eps, "min_samples": five},
            "optics": {"min_samples": five, "max_eps": max_eps, "xi": xi},
            "hdbscan": {"min_cluster_size": min_cluster_size, "min_samples": min_samples},
        }
        fields = methods.get(method, {})
        inputs = Inputs()
        spec = {"kind": "clustering", "input": inputs.array(distances, "distances"), "rdm": index, "method": {"name": method, **fields}}
        return self._start(spec, inputs, options)

    def searchlight(
        self,
        image: Source,
        models: Many,
        *,
        mask: Source | None = None,
        compare: str = "corr",
        radius: float = 3.0,
        threshold: float = 1.0,
        truncate: bool = False,
        measure: str = "correlation",
        conditions: Any = None,
        folds: Any = None,
        fold_weights: str = "fold",
        row_pairs: str | None = None,
        remove_mean: bool = False,
        normalize: bool = True,
        sigma: float = 1.0,
        minkowski_p: float = 3.0,
        prior_lambda: float = 1.0,
        prior_weight: float = 0.1,
        half: bool = False,
        noise: str | None = None,
        residuals: Source | None = None,
        runs: Any = None,
        noise_per_fold: bool = False,
        degrees_of_freedom: int | None = None,
        transforms: Sequence[Transform] = (),
        **options: Unpack[Options],
    ) -> R:
        """Searchlights: models against the RDM around every voxel of an image.

        Parameters
        ----------
        image : array (x, y, z, n_conditions) or a NIfTI file
            Responses; the fourth axis holds conditions, or measurements of them.
        models : RDM or several
            As in :meth:`rdm_comparison`.
        mask : array (x, y, z) or a file, optional
            Voxels that are not 0 are inside; without it all that are finite and vary.
        compare : str
            As in :meth:`rdm_comparison`.
        radius : float
            Voxels nearer to the center than this belong to a searchlight.
        threshold : float
            Least share of a searchlight inside the mask, 0 to 1.
        truncate : bool
            Leave out voxels outside the mask.
        measure, conditions, folds, …
            As in :meth:`rdm`.

        Returns
        -------
        Result
            ``maps``, one per model: ``scores`` (x, y, z), NaN where there is no searchlight, ``mean``, ``best``; ``n_centers``,
            ``n_members``, ``affine``.

        Raises
        ------
        InvalidRequest
            When mask, image and models do not fit, or no searchlight is left.
        """
        given = {**{k: v for k, v in locals().items() if k not in ("self", "options")}, "precision": None, "time_bins": None}
        inputs = Inputs()
        spec = {
            "kind": "searchlight",
            "rdm": rdm_fields(inputs, image, "image", given),
            "mask": inputs.maybe(mask, "mask"),
            "models": inputs.arrays(models, "model"),
            "compare": compare,
            "radius": radius,
            "threshold": threshold,
            "truncate": truncate,
        }
        return self._start(spec, inputs, options)

    rsa = rdm_comparison
    """The name of :meth:`rdm_comparison` in the field."""
