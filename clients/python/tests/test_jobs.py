"""Jobs: progress, cancel, interrupt, threads, and servers that go away."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

import eigenscope as es
from cases import blobs, related
from conftest import same_bits
from eigenscope.transport import Address, Transport


def long_request(max_iter: int = 3000) -> es.Request:
    """Some seconds of work with many steps: distances of repeats after the best map, for several populations."""
    rng = np.random.default_rng(1)
    populations = [rng.normal(size=(20, 60, 30)) for _ in range(3)]
    return es.request.stochastic_distance(populations, metric="energy", max_iter=max_iter, tol=1e-12)


def test_a_job_can_be_followed(client: es.Client) -> None:
    x, _ = related(n=200, p=100)
    job = client.submit.dimensionality(x, intrinsic=True)
    assert job.state in ("queued", "running", "done") and job.spec["kind"] == "dimensionality"
    heard: list[tuple[float, str]] = []
    result = job.result(progress=lambda done, step: heard.append((done, step)))
    assert job.state == "done" and job.is_final and job.error is None
    assert heard[-1] == (1.0, "done")
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    same_bits(result, client.job(job.id).result())
    assert job.id in [j.id for j in client.jobs()]


def test_a_job_tells_its_processes_and_what_they_said(client: es.Client) -> None:
    x, _ = related(n=210, p=90)
    job = client.using(priority=7, concurrency=2).submit.dimensionality(x)
    assert (job.priority, job.info["request"]["concurrency"]) == (7, 2)
    assert job.wait().remaining_secs is None
    (task,) = job.tasks()
    assert (task["kind"], task["state"], task["attempts"]) == ("whole", "done", 1) and task["ran_secs"] > 0
    assert "started as process" in job.log() and ": done\n" in job.log()
    with pytest.raises(es.NotFound, match="there is no task 1"):
        job.log(1)
    with pytest.raises(es.Conflict, match="does not wait any more"):
        job.set_priority(1)
    with pytest.raises(es.InvalidRequest, match="priority"):
        client.using(priority=101).submit.rdm(x)


def test_a_waiting_job_can_overtake(binary: str) -> None:
    with es.LocalServer(binary=binary) as server:
        client = server.client(device="cpu")
        running, first, second = (client.send(long_request(3000 + i)) for i in range(3))
        while running.refresh().state == "queued":
            time.sleep(0.02)
        assert second.set_priority(5).priority == 5
        running.delete()
        while second.refresh().state == "queued":
            time.sleep(0.02)
        assert first.refresh().state == "queued"


def test_the_same_request_is_done_at_once(client: es.Client) -> None:
    x, _ = blobs(seed=33)
    first = client.submit.rdm(x)
    same_bits(first.result(), client.submit.rdm(x).result())
    assert client.submit.rdm(x).state == "done"


def test_progress_can_be_true(client: es.Client, capfd: pytest.CaptureFixture[str]) -> None:
    x, _ = blobs(seed=34)
    client.rdm(x, progress=True)
    assert "done" in capfd.readouterr().err


def test_a_canceled_job_has_no_result(client: es.Client) -> None:
    job = client.send(long_request())
    assert job.cancel().state == "canceled"
    with pytest.raises(es.JobCanceled, match=job.id):
        job.result()
    with pytest.raises(es.Conflict, match="has ended already: it is canceled"):
        job.cancel()
    with pytest.raises(es.Conflict, match="no result"):
        client.transport.request("GET", f"/api/v1/jobs/{job.id}/result")


def test_cancel_from_another_thread_ends_the_wait(client: es.Client) -> None:
    job = client.send(long_request())
    threading.Timer(0.3, client.job(job.id).cancel).start()
    started = time.monotonic()
    with pytest.raises(es.JobCanceled):
        job.result()
    assert time.monotonic() - started < 3


def test_a_wait_can_have_an_end(client: es.Client) -> None:
    job = client.send(long_request())
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="has not ended in time; it goes on"):
        job.wait(0.3)
    assert 0.25 < time.monotonic() - started < 2
    assert job.refresh().state in ("queued", "running")
    job.delete()
    with pytest.raises(es.NotFound, match="there is no job"):
        client.job(job.id)


def test_what_is_not_waited_for_any_more_is_canceled(client: es.Client) -> None:
    rng = np.random.default_rng(5)
    populations = [rng.normal(size=(20, 60, 30)) for _ in range(3)]

    def last() -> es.Job:
        return client.jobs()[-1]

    with pytest.raises(TimeoutError, match=r"stochastic_distance has not ended in 0\.3 s; its job .* was canceled"):
        client.stochastic_distance(populations, metric="energy", tol=1e-12, timeout_secs=0.3)
    assert last().state == "canceled"

    def refuse(done: float, step: str) -> None:
        raise KeyError("the callback fails")

    with pytest.raises(KeyError, match="the callback fails"):
        client.stochastic_distance(populations, metric="energy", tol=1e-11, progress=refuse)
    assert last().state == "canceled"


def test_an_interrupt_cancels_the_job_on_the_server(client: es.Client) -> None:
    job = client.send(long_request())
    # What a shell starts in the background ignores interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            job.result()
    finally:
        signal.signal(signal.SIGINT, before)
    assert client.job(job.id).state == "canceled"


def test_a_removed_job_ends_the_wait(client: es.Client) -> None:
    job = client.send(long_request())
    other = client.job(job.id)
    threading.Timer(0.3, other.delete).start()
    with pytest.raises((es.JobCanceled, es.NotFound)):
        job.result()


def test_previews_have_nan_for_what_is_not_known(client: es.Client) -> None:
    rng = np.random.default_rng(2)
    job = client.submit.shape_distance({f"n{i}": rng.normal(size=(2000, 800 + i)).astype(np.float32) for i in range(10)}, alpha=0.5)
    seen = None
    while seen is None and not job.refresh().is_final:
        seen = job.preview()
    result = job.result()
    assert job.preview() is None, "nothing to show of a job that has ended"
    if seen is None:
        pytest.skip("the job ended before it had something to show")
    assert seen.distances.shape == (10, 10)
    known = ~np.isnan(seen.distances)
    assert not known.all(), "some pairs were not known yet"
    np.testing.assert_allclose(seen.distances[known], result.distances[known], rtol=1e-9)


def test_layers_become_a_dataset(client: es.Client) -> None:
    from onnx_file import tiny_network

    images = np.random.default_rng(3).normal(size=(6, 3, 8, 8)).astype(np.float32)
    job = client.submit.extraction(tiny_network(), images, layers=["relu", "mean"])
    layers = es.activations(job.result())
    kept = job.keep()
    assert kept.members == ["relu", "mean"] and kept["relu"].shape == (6, 4, 6, 6)
    assert np.array_equal(kept["relu"].numpy(), layers["relu"])
    assert (
        client.dimensionality(kept["relu"]).effective_dimensionality
        == client.dimensionality(layers["relu"].astype("f4")).effective_dimensionality
    )
    with pytest.raises(es.InvalidRequest, match="only an extraction"):
        client.submit.rdm(images[:, 0, 0]).wait().keep()


def test_threads_share_a_client(client: es.Client) -> None:
    arrays = [blobs(seed=100 + i)[0] for i in range(12)]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda x: client.rdm(x, measure="euclidean"), arrays))
    for x, result in zip(arrays, results, strict=True):
        np.testing.assert_allclose(result.rdm, np.linalg.norm(x[:, None] - x[None], axis=-1), atol=1e-10)


def test_a_broken_stream_goes_on_where_it_was(client: es.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every stream breaks after three events; the wait reconnects with the last id and misses nothing."""
    opened: list[int | None] = []
    real = Transport.events

    class Breaking:
        def __init__(self, stream: object) -> None:
            self.stream = stream

        def __enter__(self) -> object:
            return self

        def __exit__(self, *_: object) -> None:
            self.stream.__exit__()  # type: ignore[attr-defined]

        def __iter__(self) -> object:
            for n, event in enumerate(self.stream):  # type: ignore[call-overload]
                if n == 3:
                    raise ConnectionResetError("cut by the test")
                yield event

    def events(self: Transport, last_id: int | None, silence_secs: float) -> object:
        opened.append(last_id)
        return Breaking(real(self, last_id, silence_secs))

    monkeypatch.setattr(Transport, "events", events)
    x, _ = related(n=400, p=200, seed=9)
    result = client.dimensionality([x, 2 * x, 3 * x, x**2], intrinsic=True)
    assert len(result.spectra) == 4
    later = [last for last in opened[1:] if last is not None]
    assert opened[0] is None and later == sorted(later) and len(later) == len(opened) - 1


def test_a_server_that_crashes_and_comes_back_finishes_the_job(binary: str, tmp_path: Path) -> None:
    request = long_request(max_iter=300)
    first = es.LocalServer(binary=binary, data_dir=tmp_path / "data")
    port, token = urlsplit(first.url).port, first.token
    client = first.client(device="cpu", patience_secs=60)
    job = client.send(request)
    while job.refresh().state == "queued":
        time.sleep(0.02)
    outcome: list[es.Result] = []
    waiting = threading.Thread(target=lambda: outcome.append(job.result()))
    waiting.start()
    time.sleep(0.2)
    first.kill()
    assert not first.is_alive
    with pytest.raises(es.ServerUnreachable, match="no answer from http://127.0.0.1"):
        client.jobs()
    time.sleep(0.3)
    with es.LocalServer(binary=binary, data_dir=tmp_path / "data", port=port or 0, token=token) as second:
        waiting.join(120)
        assert not waiting.is_alive(), second.log[-5:]
        assert job.state == "done" and len(outcome) == 1
        other = second.client(device="cpu").send(request)
        assert other.state == "done", "the finished job answers the same request"
        same_bits(outcome[0], other.result())
    first.stop()


def test_patience_has_an_end(binary: str) -> None:
    server = es.LocalServer(binary=binary)
    client = server.client(patience_secs=0.5)
    job = client.send(long_request())
    server.stop()
    with pytest.raises(es.ServerUnreachable, match="has been away for 0.5 s"):
        job.result()


def test_a_full_queue_is_asked_again(client: es.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = Transport.json

    def json(self: Transport, method: str, path: str, value: object = None, **query: object) -> object:
        if method == "POST" and path == "/api/v1/jobs":
            calls.append(time.monotonic())
            if len(calls) < 3:
                busy = es.Busy("busy", "256 jobs are waiting", status=429)
                busy.retry_after_secs = 0.1
                raise busy
        return real(self, method, path, value, **query)  # type: ignore[arg-type]

    monkeypatch.setattr(Transport, "json", json)
    x, _ = blobs(seed=35)
    assert client.rdm(x).n == 60
    assert len(calls) == 3 and calls[2] - calls[0] >= 0.2


def test_addresses_are_read_as_the_server_prints_them() -> None:
    address = Address.parse("http://127.0.0.1:8080/?token=abc")
    assert (address.host, address.port, address.token, address.origin) == ("127.0.0.1", 8080, "abc", "http://127.0.0.1:8080")
    assert Address.parse("https://lab.example/eigen").origin == "https://lab.example:443/eigen"
    assert Address.parse("lab.example:99").origin == "http://lab.example:99"
    assert Address.parse("http://[::1]:80").origin == "http://[::1]:80"
    assert "abc" not in repr(address)
    with pytest.raises(ValueError, match="no address of a server"):
        Address.parse("ftp://example")
