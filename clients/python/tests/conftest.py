"""The real server, the real command line, and arrays for both."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eigenscope as es
from eigenscope.result import Record, Result
from eigenscope.sources import Upload

os.environ.pop("EIGENSCOPE_URL", None)
os.environ.pop("EIGENSCOPE_TOKEN", None)


@pytest.fixture(scope="session")
def binary() -> str:
    path = os.environ.get("EIGENSCOPE_BINARY")
    assert path, "set EIGENSCOPE_BINARY to the built program"
    return path


@pytest.fixture(scope="session")
def server(binary: str) -> Iterator[es.LocalServer]:
    with es.LocalServer(binary=binary, workers=2) as started:
        yield started


@pytest.fixture(scope="session")
def client(server: es.LocalServer) -> es.Client:
    made = server.client(device="cpu")
    es.use(made)
    return made


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def cli(binary: str) -> Callable[..., Any]:
    """What ``eigenscope … --json`` prints."""

    def run(*args: Any) -> Any:
        done = subprocess.run([binary, *map(str, args), "--json", "--device", "cpu"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def cli_run(binary: str, tmp_path: Path) -> Callable[[es.Request], Result]:
    """The result of ``eigenscope run`` for a request of the client, in its binary form."""

    def run(request: es.Request) -> Result:
        spec = tmp_path / "spec.json"
        spec.write_text(json.dumps(request.spec))
        args = []
        for name, upload in request.inputs.items():
            assert isinstance(upload, Upload)
            folder = tmp_path / f"{len(args)}"
            folder.mkdir()
            file = folder / upload.name
            file.write_bytes(b"".join(upload))
            args += ["--input", f"{name}={file}" + (f"::{upload.member}" if upload.member else "")]
        out = tmp_path / "result.eigr"
        command = [binary, "run", str(spec), *args, "--device", "cpu", "--output", str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return es.load(out)

    return run


def same_bits(a: Any, b: Any, path: str = "result") -> None:
    """Asserts that two results are equal, arrays to the bit (NaN where NaN), but for the time that they took."""
    if path.endswith(".seconds"):
        assert a > 0 and b > 0, path
    elif isinstance(a, Record):
        assert isinstance(b, Record) and list(a) == list(b), path
        for name in a:
            same_bits(a[name], b[name], f"{path}.{name}")
    elif isinstance(a, np.ndarray):
        assert isinstance(b, np.ndarray) and a.shape == b.shape and a.dtype == b.dtype, path
        if a.dtype == np.float64:
            # NaN has many bit patterns, of which none means more than another.
            nan = np.isnan(a)
            assert np.array_equal(nan, np.isnan(b)), path
            a, b = a[~nan].view(np.uint64), b[~nan].view(np.uint64)
        assert np.array_equal(a, b), path
    elif isinstance(a, list):
        assert isinstance(b, list) and len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            same_bits(x, y, f"{path}[{i}]")
    else:
        assert a == b or (a != a and b != b), f"{path}: {a} and {b}"
