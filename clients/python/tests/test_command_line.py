"""Every analysis on the server against the command line: the same code, so equal to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import eigenscope as es
from cases import blobs, cases, networks, related
from conftest import same_bits


def test_there_is_a_case_for_every_analysis() -> None:
    assert sorted(cases(es.request)) == sorted(es.KINDS)


@pytest.mark.parametrize("kind", es.KINDS)
@pytest.mark.filterwarnings("ignore::eigenscope.ResultWarning")
def test_results_are_those_of_the_command_line(kind: str, client: es.Client, cli_run: Callable[[es.Request], es.Result]) -> None:
    ours = cases(client)[kind]()
    theirs = cli_run(cases(es.request)[kind]())
    assert ours.kind == kind
    same_bits(ours, theirs)


def test_json_of_dims_has_the_same_numbers(client: es.Client, cli: Callable[..., Any], tmp_path: Any) -> None:
    x, _ = blobs()
    np.save(tmp_path / "X.npy", x)
    (printed,) = cli("dims", tmp_path / "X.npy")
    ours = client.dimensionality(x)
    assert ours.spectra[0].to_dict() == printed
    assert ours.effective_dimensionality == printed["effective_dimensionality"]


def test_json_of_shapes_has_the_same_numbers(client: es.Client, cli: Callable[..., Any], tmp_path: Any) -> None:
    files = []
    for name, x in networks().items():
        files.append(tmp_path / f"{name}.npy")
        np.save(files[-1], x)
    printed = cli("shapes", *files, "--alpha", "0.5", "--score", "euclidean")
    ours = client.shape_distance(networks(), alpha=0.5, score="euclidean")
    assert ours.distances.tolist() == printed["distances"]
    assert ours.names == printed["names"] == ["net0", "net1", "net2"]


def test_json_of_encode_has_the_same_numbers(client: es.Client, cli: Callable[..., Any], tmp_path: Any) -> None:
    x, y = related()
    np.save(tmp_path / "X.npy", x)
    np.save(tmp_path / "Y.npy", y)
    printed = cli(
        "encode",
        "--features",
        tmp_path / "X.npy",
        "--targets",
        tmp_path / "Y.npy",
        "--model",
        "ridge",
        "--alpha",
        "1,10,100",
        "--cv",
        "kfold:5",
    )
    ours = client.encoding(x, y, alphas=[1, 10, 100], cv=5)
    assert (ours.median_r, ours.r2_uniform) == (printed["median_r"], printed["r2_uniform"])
    assert ours.per_target_r.tolist() == printed["per_target_r"]


@pytest.mark.parametrize("preset", ["elmoznino", "brainscore", "brainscore_neuroid", "warping", "dnnbrain"])
def test_presets_are_those_of_the_command_line(client: es.Client, cli: Callable[..., Any], tmp_path: Any, preset: str) -> None:
    x, y = related(n=120, p=40, t=12)
    labels = [f"object {i % 4}" for i in range(120)]
    repetitions = y + np.random.default_rng(3).normal(size=(6, *y.shape))
    for name, array in (("X", x), ("Y", y), ("R", repetitions)):
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "L.csv").write_text("\n".join(["kind", *labels]) + "\n")
    by_labels = preset.startswith(("elmoznino", "brainscore"))
    files = ["--features", tmp_path / "X.npy", "--targets", tmp_path / "Y.npy", "--repetitions", tmp_path / "R.npy"]
    if by_labels:
        files += ["--labels", tmp_path / "L.csv"]
    printed = cli("encode", *files, "--preset", preset.replace("_", "-"))
    ours = client.encoding(x, y, preset=preset, labels=labels if by_labels else None, repetitions=repetitions)
    assert ours.score == printed["score"] is not None and ours.per_target_r.tolist() == printed["per_target_r"]
    assert len(ours.per_split) == len(printed["per_split"])


def test_files_are_named_and_read_as_the_command_line_does(client: es.Client, cli: Callable[..., Any], tmp_path: Any) -> None:
    x, y = related()
    np.savez(tmp_path / "both.npz", X=x, Y=y)
    printed = cli("rdm", f"{tmp_path / 'both.npz'}::X", "--measure", "euclidean")
    ours = client.rdm(f"{tmp_path / 'both.npz'}::X", measure="euclidean")
    assert ours.input == printed["input"] == "both::X"
    assert ours.rdm.tolist() == printed["rdm"]
