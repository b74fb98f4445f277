"""One call of every analysis, on small arrays with fixed seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

import eigenscope as es
from onnx_file import tiny_network


def blobs(n: int = 60, p: int = 8, k: int = 3, seed: int = 1) -> tuple[np.ndarray, list[str]]:
    """Rows of ``k`` classes around means of their own."""
    rng = np.random.default_rng(seed)
    labels = [f"class {i % k}" for i in range(n)]
    centers = 3 * rng.normal(size=(k, p))
    return np.array([centers[i % k] for i in range(n)]) + rng.normal(size=(n, p)), labels


def related(n: int = 60, p: int = 10, t: int = 4, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Features, and targets that are linear in them with noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, p))
    return x, x @ rng.normal(size=(p, t)) + 0.5 * rng.normal(size=(n, t))


def rdms(n: int, k: int = 8, seed: int = 3) -> np.ndarray:
    """``n`` RDMs (n, k, k) that share a geometry."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(k, 4))
    out = []
    for _ in range(n):
        x = shared + 0.5 * rng.normal(size=(k, 4))
        out.append(np.linalg.norm(x[:, None] - x[None], axis=-1))
    return np.array(out)


def networks(count: int = 3, n: int = 40, seed: int = 4) -> dict[str, np.ndarray]:
    """Representations of different widths that share a part."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 5))
    return {f"net{i}": shared @ rng.normal(size=(5, 6 + i)) + 0.3 * rng.normal(size=(n, 6 + i)) for i in range(count)}


def table(n: int = 24, seed: int = 5) -> dict[str, Any]:
    """Metrics of layers."""
    rng = np.random.default_rng(seed)
    ed = np.exp(rng.normal(size=n))
    score = 0.3 * np.log10(ed) + 0.1 * rng.normal(size=n)
    return {"architecture": [f"net{i % 4}" for i in range(n)], "layer": [f"layer{i // 4}" for i in range(n)], "ed": ed, "score": score}


def volume(seed: int = 6) -> np.ndarray:
    """An image (x, y, z, conditions)."""
    return np.random.default_rng(seed).normal(size=(5, 5, 5, 8))


def cases(a: Any) -> dict[str, Any]:
    """Every analysis, asked of ``a``: a client, ``client.submit`` or ``eigenscope.request``."""
    rng = np.random.default_rng(11)
    x, labels = blobs()
    features, targets = related()
    angles = np.tile(np.arange(0, 180, 22.5), 5)
    trials = np.cos(np.deg2rad(2 * (angles[:, None] - np.array([30.0, 100.0])))) + 0.2 * rng.normal(size=(40, 2))
    repeats = [rng.normal(size=(6, 9, 4)) + 2 * rng.normal(size=(6, 1, 4)) for _ in range(2)]
    images = rng.normal(size=(6, 3, 8, 8)).astype(np.float32)
    network = tiny_network()
    return {
        "dimensionality": lambda: a.dimensionality({"A": x, "B": features.astype(np.float32)}, intrinsic=True),
        "manifolds": lambda: a.manifolds(x, labels),
        "few_shot": lambda: a.few_shot(x, labels, n_train=[1, 5], n_test=5, n_repeats=3, classifiers=["prototype", "linear", "maxmargin"]),
        "projection": lambda: a.projection(x, labels),
        "tuning": lambda: a.tuning(trials, angles),
        "rdm": lambda: a.rdm(x, conditions=labels, folds=[i // 20 for i in range(60)], measure="crossnobis", noise="shrinkage_diag"),
        "rdm_comparison": lambda: a.rdm_comparison(
            rdms(4), {"one": rdms(1, seed=8)[0], "two": rdms(1, seed=9)[0]}, compare="spearman", bootstrap=50, permutations=20, seed=3
        ),
        "rdm_pool": lambda: a.rdm_pool(rdms(3), rescale="evidence"),
        "embedding": lambda: a.embedding(rdms(1)[0], seed=2),
        "clustering": lambda: a.clustering(rdms(1)[0], linkage="ward", n_clusters=2),
        "searchlight": lambda: a.searchlight(volume(), {"model": rdms(1)[0]}, radius=2.0, measure="euclidean"),
        "shape_distance": lambda: a.shape_distance(networks(), alpha=0.5, n_folds=4),
        "stochastic_distance": lambda: a.stochastic_distance(repeats),
        "shape_average": lambda: a.shape_average(networks(), n_clusters=2),
        "shape_path": lambda: a.shape_path(networks()["net0"], networks()["net1"], others=[networks()["net2"]], keep_points=True),
        "similarity": lambda: a.similarity(networks()["net0"], networks()["net1"]),
        "encoding": lambda: a.encoding(features, targets, keep_predictions=True, cv=es.splits.KFold(5, shuffle=True, seed=3)),
        "dimension_use": lambda: a.dimension_use(features, targets, cv=5, num_pcs=[1, 2, 5, 10]),
        "variance_partition": lambda: a.variance_partition({"A": features[:, :5], "B": features[:, 5:]}, targets, cv=5),
        "probe": lambda: a.probe(x, labels, folds=5, models=True, pca=None),
        "relation": lambda: a.relation(table(), x="ed", y="score", log_x=True, by="architecture", bootstrap=200, curve="quadratic"),
        "extraction": lambda: a.extraction(network, images, layers=["all"]),
        "layer_profile": lambda: a.layer_profile(network, images, rdms=rdms(2, k=6)),
        "warp": lambda: a.warp(
            network, images, rng.normal(size=(6, 2)), layers="relu", dims=[0, 4], epochs=2, split={"contiguous": [0.5, 0.25]}
        ),
        "dim_complexity": lambda: a.dim_complexity(functions=["square"], dims=[4, 6], steps=20),
        "orientation": lambda: a.orientation(epochs=1, n_train=100),
    }
