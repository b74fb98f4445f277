"""What comes back against formulae of numpy, scipy and scikit-learn on the same arrays."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.cluster.hierarchy
import scipy.linalg
import scipy.spatial.distance
import scipy.stats
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold

import eigenscope as es
from cases import blobs, networks, rdms, related, table, volume
from onnx_file import tiny_network, weights


def close(a: object, b: object, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=tolerance, atol=tolerance)


def test_dimensionality_is_the_participation_ratio(client: es.Client) -> None:
    x, _ = related()
    values = np.sort(np.linalg.eigvalsh(np.cov(x.T)))[::-1]
    ours = client.dimensionality(x)
    close(ours.eigenvalues, values)
    close(ours.effective_dimensionality, values.sum() ** 2 / (values**2).sum())
    share = values / values.sum()
    close(ours.entropy_dimension, np.exp(-(share * np.log(share)).sum()))
    assert ours.variance_80_count == 1 + np.searchsorted(np.cumsum(share), 0.8)
    assert (ours.n_samples, ours.n_features) == x.shape


def test_dimensionality_pools_maps_and_reads_single_precision(client: es.Client, rng: np.random.Generator) -> None:
    maps = rng.normal(size=(20, 6, 3, 3)).astype(np.float32)
    for pool, reduce in (("avg", np.mean), ("max", np.max)):
        pooled = reduce(maps.astype(np.float64), axis=(2, 3))
        values = np.linalg.eigvalsh(np.cov(pooled.T))
        close(client.dimensionality(maps, pool=pool).effective_dimensionality, values.sum() ** 2 / (values**2).sum(), 1e-6)


def test_manifold_radius_and_dimension(client: es.Client) -> None:
    x, labels = blobs()
    ours = client.manifolds(x, labels)
    assert ours.classes == ["class 0", "class 1", "class 2"] and ours.n_rows.tolist() == [20, 20, 20]
    for i, name in enumerate(ours.classes):
        values = np.linalg.eigvalsh(np.cov(x[np.array(labels) == name].T))
        close(ours.radius[i], np.sqrt(values.mean()))
        close(ours.dimensionality[i], values.sum() ** 2 / (values**2).sum())


def test_projection_measures_centroids(client: es.Client) -> None:
    x, labels = blobs()
    centers = np.array([x[np.array(labels) == name].mean(axis=0) for name in ("class 0", "class 1", "class 2")])
    close(client.projection(x, labels).centroid_distances, scipy.spatial.distance.cdist(centers, centers))


def test_few_shot_prototypes_find_separate_classes(client: es.Client) -> None:
    x, labels = blobs()
    ours = client.few_shot(10 * x, labels, n_train=[10], n_test=10, n_repeats=2, classifiers=["prototype"])
    assert {row.top1 for row in ours.rows} == {1.0} and ours.chance.top1 == 1 / 3
    assert ours.confusions[0]["counts"].tolist() == [[20, 0, 0], [0, 20, 0], [0, 0, 20]]


def test_tuning_curves_are_means_and_standard_errors(client: es.Client, rng: np.random.Generator) -> None:
    angles = np.repeat([0.0, 45.0, 90.0, 135.0], 6)
    x = 3 + np.cos(np.deg2rad(2 * (angles - 60)))[:, None] + 0.1 * rng.normal(size=(24, 3))
    ours = client.tuning(x, angles)
    grouped = x.reshape(4, 6, 3)
    assert ours.values.tolist() == [0, 45, 90, 135] and ours.n_trials.tolist() == [6] * 4
    close(ours.means, grouped.mean(axis=1).T)
    close(ours.sems, scipy.stats.sem(grouped, axis=1).T)
    vector = (grouped.mean(axis=1).T * np.exp(2j * np.deg2rad([0, 45, 90, 135]))).sum(axis=1)
    close(ours.preferred, np.rad2deg(np.angle(vector)) / 2 % 180)


@pytest.mark.parametrize("measure", ["correlation", "euclidean", "cosine", "cityblock", "chebyshev"])
def test_rdms_are_those_of_scipy(client: es.Client, measure: str) -> None:
    x, _ = blobs()
    close(client.rdm(x, measure=measure).rdm, scipy.spatial.distance.squareform(scipy.spatial.distance.pdist(x, measure)))


def test_rdm_averages_conditions_and_transforms(client: es.Client) -> None:
    x, labels = blobs()
    ours = client.rdm(x, conditions=labels, measure="sqeuclidean", transforms=["sqrt", ("geo_topological", 0.0, 1.0)])
    means = np.array([x[np.array(labels) == name].mean(axis=0) for name in ours.conditions])
    d = scipy.spatial.distance.pdist(means) / np.sqrt(x.shape[1])
    assert ours.conditions == ["class 0", "class 1", "class 2"]
    close(scipy.spatial.distance.squareform(ours.rdm, checks=False), (d - d.min()) / (d.max() - d.min()))


def test_rdm_comparison_is_a_mean_of_correlations(client: es.Client) -> None:
    data, models = rdms(4), rdms(2, seed=9)
    vector = scipy.spatial.distance.squareform
    ours = client.rsa(data, {"first": models[0], "second": models[1]}, compare="spearman")
    want = [[scipy.stats.spearmanr(vector(m, checks=False), vector(d, checks=False))[0] for d in data] for m in models]
    close(ours.scores, want)
    assert [m.name for m in ours.models] == ["first", "second"]
    close([m.mean for m in ours.models], np.mean(want, axis=1))
    assert ours.n_data == 4 and ours.noise_ceiling[0] <= ours.noise_ceiling[1]


def test_rdm_comparison_fits_models_with_parameters(client: es.Client) -> None:
    parts = rdms(2, k=12, seed=9)
    data = np.array([0.2 * parts[0] + 0.8 * parts[1]] * 3)
    mixed = es.Flexible(list(parts), "non_negative", "mixed")
    ours = client.rdm_comparison(data, flexible=[mixed], compare="cosine")
    (model,) = ours.models
    close(model.mean, 1.0, 1e-6)
    # Weights are for RDMs of one size, and have norm 1.
    want = np.array([0.2, 0.8]) * [np.linalg.norm(part) for part in parts]
    close(model.weights, want / np.linalg.norm(want), 1e-6)
    assert model.name == "mixed"


def test_pooled_rdm_is_the_mean(client: es.Client) -> None:
    ours = client.rdm_pool(list(rdms(3)))
    close(ours.rdm, rdms(3).mean(axis=0))
    assert ours.n_rdms == 3


def test_pooled_rdm_joins_overlapping_conditions(client: es.Client) -> None:
    first, second = rdms(2, k=3)
    ours = client.rdm_pool([first, second], conditions=[["a", "b", "c"], ["b", "c", "d"]])
    assert ours.conditions == ["a", "b", "c", "d"] and np.isnan(ours.rdm[0, 3])
    close(ours.rdm[1, 2], (first[1, 2] + second[0, 1]) / 2)


def test_classical_embedding_keeps_euclidean_distances(client: es.Client, rng: np.random.Generator) -> None:
    points = rng.normal(size=(10, 2))
    d = scipy.spatial.distance.cdist(points, points)
    close(
        scipy.spatial.distance.pdist(client.embedding(d, method="classical").points),
        scipy.spatial.distance.squareform(d, checks=False),
        1e-8,
    )


def test_trees_are_those_of_scipy(client: es.Client) -> None:
    d = rdms(1)[0]
    tree = scipy.cluster.hierarchy.linkage(scipy.spatial.distance.squareform(d, checks=False), "complete")
    ours = client.clustering(d, linkage="complete", n_clusters=3)
    close([m.height for m in ours.merges], tree[:, 2])
    theirs = scipy.cluster.hierarchy.fcluster(tree, 3, "maxclust")
    assert len({(a, b) for a, b in zip(ours.labels, theirs, strict=True)}) == 3


def test_a_searchlight_is_an_rdm_and_a_correlation(client: es.Client) -> None:
    image, model = volume(), rdms(1)[0]
    ours = client.searchlight(image, {"model": model}, radius=2.0, measure="euclidean")
    grid = np.argwhere(np.ones((5, 5, 5)))
    near = grid[np.linalg.norm(grid - 2, axis=1) < 2.0]
    patterns = np.array([image[tuple(v)] for v in near]).T
    want = np.corrcoef(scipy.spatial.distance.pdist(patterns), scipy.spatial.distance.squareform(model, checks=False))[0, 1]
    close(ours.scores[2, 2, 2], want)
    assert ours.scores.shape == (5, 5, 5) and ours.n_members.tolist() == [8, len(near)]


def test_shape_distance_is_the_procrustes_angle(client: es.Client) -> None:
    a, b = (x - x.mean(axis=0) for x in list(networks().values())[:2])
    ours = client.shape_distance([a, b])
    nuclear = np.linalg.svd(a.T @ b, compute_uv=False).sum()
    close(ours.distances[0, 1], np.arccos(nuclear / np.linalg.norm(a) / np.linalg.norm(b)))
    table = client.shape_distance([a], against=[a, b])
    assert table.distances.shape == (1, 2) and table.distances[0, 1] == ours.distances[0, 1]


def test_stochastic_distance_is_wasserstein(client: es.Client, rng: np.random.Generator) -> None:
    means = [rng.normal(size=(4, 3)) for _ in range(2)]
    roots = [rng.normal(size=(4, 3, 3)) for _ in range(2)]
    covariances = [r @ r.transpose(0, 2, 1) + 0.1 * np.eye(3) for r in roots]
    ours = client.stochastic_distance(means, covariances=covariances, group="identity", ridge=0.0)
    total = 0.0
    for m, n, s, t in zip(*means, *covariances, strict=True):
        root = scipy.linalg.sqrtm(s)
        total += ((m - n) ** 2).sum() + np.trace(s + t - 2 * np.real(scipy.linalg.sqrtm(root @ t @ root)))
    close(ours.distances[0, 1], np.sqrt(total / 4), 1e-6)  # the root mean square over conditions


def test_shape_average_is_the_mean_of_aligned_ones(client: es.Client) -> None:
    x = networks()["net0"]
    q = scipy.stats.ortho_group.rvs(x.shape[1], random_state=1)
    ours = client.shape_average([x, x @ q])
    assert ours.converged
    close(ours.distances, [0, 0], 1e-6)
    close(np.linalg.norm(ours.mean), np.linalg.norm(x - x.mean(axis=0)), 1e-9)


def test_shape_path_has_the_length_of_the_distance(client: es.Client) -> None:
    a, b = list(networks().values())[:2]
    path = client.shape_path(a, b, n_points=5)
    close(path.length, client.shape_distance([a, b]).distances[0, 1], 1e-9)
    close(path.t, [0, 0.25, 0.5, 0.75, 1])
    close(path.distances[0], path.t * path.length, 1e-6)


def test_similarity_has_linear_cka(client: es.Client) -> None:
    a, b = (x - x.mean(axis=0) for x in list(networks().values())[:2])
    name = "cka-kernel=linear-hsic=gretton-score"
    cka = np.linalg.norm(a.T @ b) ** 2 / np.linalg.norm(a.T @ a) / np.linalg.norm(b.T @ b)
    close(client.similarity(a, b, name).values[name], cka)
    assert len(client.similarity(a, b).values) > 40


def test_ridge_is_scikit_learns(client: es.Client) -> None:
    x, y = related()
    ours = client.encoding(x, y, alphas=[3.0], cv=5, keep_predictions=True)
    predictions = np.empty_like(y)
    for test in np.array_split(np.arange(len(x)), 5):
        train = np.setdiff1d(np.arange(len(x)), test)
        predictions[test] = Ridge(3.0).fit(x[train], y[train]).predict(x[test])
    close(ours.predictions, predictions, 1e-9)
    r = [np.corrcoef(y[test, t], predictions[test, t])[0, 1] for test in np.array_split(np.arange(60), 5) for t in range(4)]
    close(ours.mean_r, np.mean(r), 1e-9)


def test_pls_is_scikit_learns(client: es.Client) -> None:
    x, y = related()
    ours = client.encoding(x, y, model="pls", components=3, cv=es.splits.Folds(np.repeat([0, 1], 30)), keep_predictions=True)
    want = PLSRegression(3, scale=False, tol=1e-12, max_iter=10_000).fit(x[30:], y[30:]).predict(x[:30])
    close(ours.predictions[:30], want, 1e-6)


def test_dimension_use_with_all_components_is_least_squares(client: es.Client) -> None:
    x, y = related()
    use = client.dimension_use(x, y, num_pcs=[2, 10], cv=5)
    assert use.num_pcs.tolist() == [2, 10] and use.reach.best_num_pcs == 10
    close(use.scores[1], client.encoding(x, y, model="ols", cv=5).median_r, 1e-9)


def test_variance_partition_adds_up(client: es.Client) -> None:
    x, y = related()
    ours = client.variance_partition({"A": x[:, :5], "B": x[:, 5:]}, y, model="ols", cv=None)
    parts = {part.Row: part.Coefficient for part in ours.parts}

    def r2(z: np.ndarray) -> float:
        z = np.column_stack([np.ones(len(z)), z])
        residual = y - z @ np.linalg.lstsq(z, y, rcond=None)[0]
        return float(np.mean(1 - (residual**2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0)))

    close(parts["Total"], r2(x), 1e-9)
    close(parts["Unique_A"], r2(x) - r2(x[:, 5:]), 1e-9)


def test_probe_is_scikit_learns_logistic_regression(client: es.Client) -> None:
    x, labels = blobs()
    x = x[:, :2] / 3
    ours = client.probe(x, labels, folds=5, pca=None)
    scores = []
    for train, test in StratifiedKFold(5).split(x, labels):
        model = LogisticRegression(tol=1e-10, max_iter=10_000).fit(x[train], np.array(labels)[train])
        scores.append(model.score(x[test], np.array(labels)[test]))
    close(ours.scores[0, 0], scores)
    assert ours.confusion.sum() == 60 and 1 / 3 < ours.mean[0, 0] < 1


def test_relation_is_pearson_of_the_logarithm(client: es.Client) -> None:
    t = table()
    ours = client.relation(t, x="ed", y="score", log_x=True, by="architecture", bootstrap=0)
    r, p = scipy.stats.pearsonr(np.log10(t["ed"]), t["score"])
    close([ours.pearson_r, ours.pearson_p], [r, p], 1e-9)
    assert [g.name for g in ours.groups] == ["net0", "net1", "net2", "net3"]
    parts = client.relation(
        {"one": {"layer": t["layer"], "architecture": t["architecture"], "ed": t["ed"]}, "two": {**t, "ed": t["ed"] * 0}},
        x="one::ed",
        y="score",
        log_x=True,
        bootstrap=0,
    )
    assert parts.joined_on == ["architecture", "layer"] and parts.pearson_r == ours.pearson_r


def test_extraction_runs_the_network(client: es.Client, rng: np.random.Generator) -> None:
    images = rng.normal(size=(5, 3, 8, 8)).astype(np.float32)
    layers = es.activations(client.extraction(tiny_network(), images, layers="all"))
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(2, 3))
    conv = np.einsum("nchwij,ocij->nohw", windows, weights())
    assert list(layers) == ["conv", "relu", "mean"]
    close(layers["conv"], conv, 1e-5)
    close(layers["relu"], np.maximum(conv, 0), 1e-5)
    close(layers["mean"], np.maximum(conv, 0).mean(axis=(2, 3), keepdims=True), 1e-5)


def test_layer_profile_has_the_numbers_of_the_single_analyses(client: es.Client, rng: np.random.Generator) -> None:
    images = rng.normal(size=(12, 3, 8, 8)).astype(np.float32)
    given = rdms(3, k=12)
    profile = client.layer_profile(tiny_network(), images, layers="relu", rdms=given)
    relu = es.activations(client.extraction(tiny_network(), images, layers="relu", reading="avg"))["relu"]
    (layer,) = profile.layers
    close(layer.effective_dimensionality, client.dimensionality(relu).effective_dimensionality, 1e-6)
    close(layer.rsa, client.rsa(given, client.rdm(relu).rdm, compare="spearman").models[0].mean, 1e-6)
