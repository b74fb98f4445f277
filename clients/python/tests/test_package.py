"""The package as it is installed, its documentation, and the examples of its README."""

from __future__ import annotations

import importlib.metadata
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import eigenscope as es
from onnx_file import tiny_network
from test_uploads import write_png

README = Path(__file__).parents[1] / "README.md"


def test_the_installed_package_is_whole() -> None:
    assert importlib.metadata.version("eigenscope") == es.__version__
    assert (Path(es.__file__).parent / "py.typed").exists()
    assert all(hasattr(es, name) for name in es.__all__)
    needed = [r for r in importlib.metadata.requires("eigenscope") or [] if "extra ==" not in r]
    assert needed == ["numpy>=1.23"]


@pytest.mark.parametrize("kind", es.KINDS)
def test_every_analysis_is_documented(kind: str) -> None:
    text = inspect.getdoc(getattr(es.Client, kind)) or ""
    for heading in ("Parameters", "Returns", "Raises"):
        assert f"{heading}\n{'-' * len(heading)}\n" in text, f"{kind} lacks {heading}"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, binary: str, client: es.Client) -> Iterator[Path]:
    """A folder with the files that the README names."""
    rng = np.random.default_rng(1)
    (tmp_path / "photos").mkdir()
    for i in range(12):
        write_png(tmp_path / "photos" / f"{i}.png", 20 * i)
    (tmp_path / "network.onnx").write_bytes(tiny_network().read_bytes())
    points = rng.normal(size=(2, 12, 3))
    np.save(tmp_path / "humans.npy", np.linalg.norm(points[:, :, None] - points[:, None], axis=-1))
    np.save(tmp_path / "voxels.npy", rng.normal(size=(12, 4)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EIGENSCOPE_BINARY", binary)
    before = es.server._default
    yield tmp_path
    es.use(before)


def test_the_examples_of_the_readme_run(place: Path, client: es.Client, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 5
    code = "\n".join(blocks)
    # The addresses and names that only the reader has.
    code = code.replace('es.Client("http://127.0.0.1:8080/?token=…", device="cuda", progress=True)', "es.Client(ADDRESS)")
    code = code.replace("relu_3", "relu").replace('layers="relu*"', 'layers="relu*", preset="unit"')
    names = {"ADDRESS": f"{client.url}/?token={client.transport._token}"}
    exec(compile(code, str(README), "exec"), names)  # noqa: S102
    printed = capsys.readouterr().out
    assert "100 % done" in printed and "layer 0." in printed
    assert names["profile"].layers[0]["name"] == "relu"  # type: ignore[attr-defined]
    for server in list(es.server._live):
        if server.client().url != client.url:
            server.stop()
