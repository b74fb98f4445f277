"""Servers of one's own: started, stopped, and not left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import eigenscope as es


def lives(pid: int) -> bool:
    """Whether a process runs; one that only waits to be counted does not."""
    try:
        stat = Path(f"/proc/{pid}/stat")
        if stat.parent.parent.exists() and Path("/proc/self").exists():
            return stat.read_text().rpartition(")")[2].split()[0] != "Z"
        os.kill(pid, 0)
    except (OSError, IndexError):
        return False
    return True


def ends(pid: int, secs: float = 15.0) -> bool:
    end = time.monotonic() + secs
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not lives(pid)


def test_a_server_ends_with_its_block_and_its_folder_with_it(binary: str) -> None:
    with es.LocalServer(binary=binary) as server:
        assert server.is_alive and lives(server.pid) and server.data_dir.is_dir()
        assert server.client().health() == {"status": "ok", "version": es.__version__}
        assert any("listening" in line for line in server.log)
    assert not server.is_alive and ends(server.pid) and not server.data_dir.exists()
    server.stop()


def test_a_folder_that_was_given_stays(binary: str, tmp_path: Path) -> None:
    x = np.arange(12.0).reshape(4, 3) ** 2
    with es.LocalServer(binary=binary, data_dir=tmp_path / "data") as server:
        dataset = server.client().upload(x)
    assert (tmp_path / "data").is_dir()
    with es.LocalServer(binary=binary, data_dir=tmp_path / "data") as again:
        assert np.array_equal(again.client().dataset(dataset.id).numpy(), x)


def test_the_token_is_not_in_the_list_of_processes(binary: str) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("there is no /proc here")
    with es.LocalServer(binary=binary) as server:
        assert server.token.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()


TWO_LINES = """
import eigenscope as es
print(es.dimensionality([[1.0, 2.0], [3.0, 5.0], [4.0, 4.0]]).effective_dimensionality)
server = es.default_client().server
print(server.pid, server.data_dir, flush=True)
"""


def python(code: str, binary: str) -> subprocess.Popen[str]:
    env = {**os.environ, "EIGENSCOPE_BINARY": binary}
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)


def test_two_lines_are_enough(binary: str) -> None:
    done = python(TWO_LINES, binary)
    out, _ = done.communicate(timeout=60)
    value, pid, folder = out.split()
    rows = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 4.0]])
    values = np.linalg.eigvalsh(np.cov(rows.T))
    assert float(value) == pytest.approx(values.sum() ** 2 / (values**2).sum())
    assert done.returncode == 0 and ends(int(pid)) and not Path(folder).exists()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_with_python_however_that_ends(binary: str, end: int) -> None:
    with python(TWO_LINES + "import time; time.sleep(60)", binary) as process:
        assert process.stdout is not None
        process.stdout.readline()
        pid, folder = process.stdout.readline().split()
        assert lives(int(pid))
        process.send_signal(end)
        process.wait(10)
    assert ends(int(pid))
    for _ in range(100):
        if not Path(folder).exists():
            break
        time.sleep(0.02)
    assert not Path(folder).exists()


@pytest.fixture
def no_default() -> Iterator[None]:
    before = es.server._default
    es.use(None)
    yield
    es.use(before)


def test_the_environment_names_a_server(server: es.LocalServer, monkeypatch: pytest.MonkeyPatch, no_default: None) -> None:
    monkeypatch.setenv("EIGENSCOPE_URL", server.url.partition("?")[0])
    monkeypatch.setenv("EIGENSCOPE_TOKEN", server.token)
    assert es.connect().url == es.Client().url == es.default_client().url == server.url.partition("/?")[0]
    assert es.default_client().server is None
    monkeypatch.setenv("EIGENSCOPE_TOKEN", "wrong")
    with pytest.raises(es.Unauthorized):
        es.connect()
    assert es.connect(server.url).url == es.Client().url, "the address has the token"


def test_functions_are_the_methods_of_the_default_client(client: es.Client) -> None:
    x = np.arange(20.0).reshape(5, 4) ** 1.5
    assert np.array_equal(es.rdm(x, measure="euclidean").rdm, client.rdm(x, measure="euclidean").rdm)
    assert es.rdm.__doc__ == es.Client.rdm.__doc__ and es.rsa is es.rdm_comparison
    assert all(callable(getattr(es, kind)) for kind in es.KINDS)


def test_devices_and_options(client: es.Client) -> None:
    assert [d["kind"] for d in client.devices()][0] == "cpu"
    assert client.openapi()["info"]["title"] == "Eigenscope"
    heard: list[str] = []
    told = client.using(progress=lambda done, step: heard.append(step))
    told.rdm(np.arange(30.0).reshape(5, 6) ** 1.3)
    assert heard[-1] == "done" and client.progress is None and told.device == "cpu"
    assert repr(client) == f"<Client of {client.url}>"
