"""Defaults, names and forms of specs: those of the server."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import eigenscope as es
from cases import blobs, networks, rdms, related, table, volume
from onnx_file import tiny_network

X, LABELS = blobs()
FEATURES, TARGETS = related()
IMAGES = np.zeros((2, 3, 8, 8), dtype=np.float32)

LABELED = {"input": "labels", "column": None}

# The least that each analysis needs: the call, and the same as a spec that leaves all else to the server.
LEAST: dict[str, tuple[Any, dict[str, Any]]] = {
    "dimensionality": (lambda a: a.dimensionality(X), {"inputs": ["X"]}),
    "manifolds": (lambda a: a.manifolds(X, LABELS), {"features": "X", "labels": LABELED}),
    "few_shot": (lambda a: a.few_shot(X, LABELS), {"features": "X", "labels": LABELED}),
    "projection": (lambda a: a.projection(X, LABELS), {"features": "X", "labels": LABELED}),
    "tuning": (lambda a: a.tuning(X, np.arange(60)), {"input": "X", "stimuli": {"input": "stimuli", "column": None}}),
    "rdm": (lambda a: a.rdm(X), {"input": "X"}),
    "rdm_comparison": (lambda a: a.rdm_comparison(rdms(2), rdms(1)[0]), {"data": ["data"], "models": ["model"]}),
    "rdm_pool": (lambda a: a.rdm_pool(rdms(2)), {"inputs": ["rdm"]}),
    "embedding": (lambda a: a.embedding(rdms(1)), {"input": "rdm"}),
    "clustering": (lambda a: a.clustering(rdms(1)), {"input": "distances"}),
    "searchlight": (lambda a: a.searchlight(volume(), rdms(1)[0]), {"rdm": {"input": "image"}, "models": ["model"]}),
    "shape_distance": (lambda a: a.shape_distance(networks()), {"inputs": ["net0", "net1", "net2"]}),
    "stochastic_distance": (lambda a: a.stochastic_distance([IMAGES[0], IMAGES[1]]), {"inputs": ["X1", "X2"]}),
    "shape_average": (lambda a: a.shape_average(networks()), {"inputs": ["net0", "net1", "net2"]}),
    "shape_path": (lambda a: a.shape_path(X, FEATURES), {"x": "X", "y": "Y"}),
    "similarity": (lambda a: a.similarity(X, FEATURES), {"x": "X", "y": "Y"}),
    "encoding": (lambda a: a.encoding(FEATURES, TARGETS), {"features": "X", "targets": "Y"}),
    "dimension_use": (lambda a: a.dimension_use(FEATURES, TARGETS), {"features": "X", "targets": "Y"}),
    "variance_partition": (lambda a: a.variance_partition([X, FEATURES], TARGETS), {"spaces": ["space1", "space2"], "targets": "Y"}),
    "probe": (lambda a: a.probe(X, LABELS), {"layers": ["layer"], "labels": LABELED}),
    "relation": (lambda a: a.relation(table()), {"tables": ["table"]}),
    "extraction": (lambda a: a.extraction(tiny_network(), IMAGES), {"network": "tiny", "images": "images"}),
    "layer_profile": (
        lambda a: a.layer_profile(tiny_network(), IMAGES),
        {"extraction": {"network": "tiny", "images": "images", "layers": ["all"], "reading": "avg"}},
    ),
    "warp": (
        lambda a: a.warp(tiny_network(), IMAGES, IMAGES[:, 0, 0]),
        {"models": [{"extraction": {"network": "tiny", "images": "images"}}], "objectives": [{"encoding": "targets"}]},
    ),
    "orientation": (lambda a: a.orientation(), {}),
    "dim_complexity": (lambda a: a.dim_complexity(), {}),
}


def test_every_analysis_of_the_server_has_a_method(client: es.Client) -> None:
    with pytest.raises(es.InvalidRequest, match="expected one of") as caught:
        client.run({"kind": "?"})
    known = set(re.findall(r"`(\w+)`", caught.value.message.partition("expected one of")[2]))
    assert known == set(es.KINDS), "add a method, its case in cases.py and its least spec here"


@pytest.mark.parametrize("kind", es.KINDS)
def test_defaults_are_those_of_the_server(kind: str, client: es.Client) -> None:
    call, least = LEAST[kind]
    ours = call(es.request)
    job = client.send(es.Request({"kind": kind, **least}, ours.inputs))
    try:
        assert ours.spec == job.spec
    finally:
        job.delete()


def test_every_model_and_every_scheme_is_understood(client: es.Client) -> None:
    labels = [i % 3 for i in range(60)]
    schemes = [
        es.splits.KFold(4, shuffle=True, seed=1),
        es.splits.ShuffleSplit(3, 0.8),
        es.splits.StratifiedKFold(labels, 4),
        es.splits.StratifiedShuffleSplit(labels, 3, 0.8),
        es.splits.GroupKFold(labels),
        es.splits.Contiguous(0.6, 0.2),
        es.splits.Folds(np.arange(60) % 4),
    ]
    counts = [len(client.encoding(FEATURES, TARGETS, cv=cv).per_split) for cv in schemes]
    assert counts == [4, 3, 4, 3, 3, 1, 4]
    models: list[dict[str, Any]] = [
        {"model": "ols"},
        {"model": "best_unit"},
        {"model": "pls", "components": 2},
        {"model": "ridge", "selection": "gcv"},
        {"model": "ridge", "selection": 3},
        {"model": "kernel_ridge", "kernel": {"name": "polynomial", "degree": 2}},
        {"model": "banded_ridge", "bands": [FEATURES**2], "candidates": 5},
        {"model": {"name": "ols"}},
        {"pca": 3, "model": "ols"},
    ]
    scores = [client.encoding(FEATURES, TARGETS, cv=4, **model).median_r for model in models]
    assert all(score is not None and score > 0 for score in scores) and scores[0] == scores[7] and len(set(scores)) == 8


def test_clustering_methods_take_their_parameters(client: es.Client) -> None:
    d = np.abs(np.subtract.outer([0, 1, 2, 50, 51, 52, 500.0], [0, 1, 2, 50, 51, 52, 500.0]))
    assert client.clustering(d, method="k_medoids", n_clusters=3).medoids.tolist() == [1, 4, 6]
    noise = client.clustering(d, method="dbscan", eps=2.0, min_samples=2)
    assert noise.n_clusters == 2 and np.isnan(noise.labels[6]) and noise.labels[:6].tolist() == [0, 0, 0, 1, 1, 1]
    assert client.clustering(d, method="hdbscan", min_cluster_size=2).n_clusters == 2
    assert len(client.clustering(d, method="optics", min_samples=2).reachability) == 7
    with pytest.raises(ValueError, match="eps"):
        client.clustering(d, method="dbscan")


def test_arguments_of_another_model_are_refused() -> None:
    with pytest.raises(ValueError, match="components belongs to pls, not to ridge"):
        es.request.encoding(X, X, components=3)
    with pytest.raises(ValueError, match="residuals"):
        es.request.rdm(X, residuals=X)


def test_presets_ask_for_what_they_need() -> None:
    with pytest.raises(ValueError, match="there is no preset 'brain_score'; there are: elmoznino, brainscore"):
        es.request.encoding(X, X, preset="brain_score")
    with pytest.raises(ValueError, match="give labels"):
        es.request.encoding(X, X, preset="brainscore")
    with pytest.raises(ValueError, match="labels are for a preset"):
        es.request.encoding(X, X, labels=LABELS)
    wins = es.request.encoding(X, X, preset="dnnbrain", model="pls", cv=3).spec
    assert (wins["model"]["name"], wins["cv"]["k"], wins["convention"]) == ("pls", 3, "dnnbrain")


def test_unknown_arguments_are_named_with_what_is_near() -> None:
    with pytest.raises(TypeError, match=r"rdm\(\) has no argument 'divice'; is 'device' meant\?"):
        es.request.rdm(X, divice="cpu")  # type: ignore[call-arg]


def test_inputs_have_names_of_their_own() -> None:
    request = es.request.shape_distance([X, X], against={"X1": X})
    assert request.spec["inputs"] == ["X1", "X2"] and request.spec["against"] == ["X1_2"]
    assert list(request.inputs) == ["X1", "X2", "X1_2"]


def test_a_matrix_in_lists_is_one_input() -> None:
    assert es.request.dimensionality([[1.0, 2.0], [3.0, 5.0]]).spec["inputs"] == ["X"]


def test_numbers_of_numpy_are_numbers_in_specs() -> None:
    spec = es.request.few_shot(X, LABELS, n_train=np.array([1, 5]), seed=np.int64(3)).spec
    assert spec["n_train"] == [1, 5] and type(spec["seed"]) is int and type(spec["n_train"][0]) is int


def test_run_takes_specs_of_analyses_that_this_package_does_not_know(client: es.Client) -> None:
    result = client.run({"kind": "rdm", "input": "A", "conditions": {"input": "L"}}, {"A": X, "L": LABELS})
    assert result.conditions == ["class 0", "class 1", "class 2"] and result.input == "A"
    with pytest.raises(es.InvalidRequest, match="unknown variant `new_analysis`") as caught:
        client.run({"kind": "new_analysis", "input": "A"}, {"A": X})
    assert (caught.value.status, caught.value.code) == (422, "parameter")
