"""A server whose bytes are in an object store: moto's S3 server stands for it."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer

import eigenscope as es

BUCKET = "lab"
ADDRESS = f"s3://{BUCKET}/eigenscope/data"


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    """An object store, which the programs that are started find by their environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


@pytest.fixture
def s3(moto: ThreadedMotoServer) -> Any:
    host, port = moto.get_host_and_port()
    # What it holds outlives its server.
    urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def start(binary: str, tmp_path: Path) -> Callable[..., es.LocalServer]:
    """Starts a server on the same data folder each time."""

    def start(*args: str) -> es.LocalServer:
        return es.LocalServer(binary=binary, data_dir=tmp_path / "data", args=list(args))

    return start


def keys(s3: Any) -> set[str]:
    return {found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def key(id: str) -> str:
    return f"eigenscope/data/{id[:2]}/{id}"


def cached(data: Path) -> set[str]:
    return {blob.name for blob in (data / "blobs").glob("*/*")}


def lose_cache(data: Path) -> None:
    for blob in (data / "blobs").glob("*/*"):
        blob.unlink()


# Of more than one part, so that it goes up and comes back in several.
LARGE = np.random.default_rng(7).normal(size=(1500, 1500))


def test_bytes_are_in_the_bucket_and_come_back_from_it(start: Callable[..., es.LocalServer], tmp_path: Path, s3: Any) -> None:
    small_array = np.random.default_rng(6).normal(size=(400, 300))
    with start("--blobs", ADDRESS) as server:
        client = server.client(device="cpu")
        small, large = client.upload(small_array), client.upload(LARGE)
        first = client.dimensionality(small)
        assert {key(small.id), key(large.id)} < keys(s3), "files and a result"
        assert s3.get_object(Bucket=BUCKET, Key=key(large.id))["Body"].read() == large.download()
    lose_cache(tmp_path / "data")
    with start("--blobs", ADDRESS) as server:
        client = server.client(device="cpu")
        job = next(job for job in client.jobs() if job.state == "done")
        assert job.result().to_dict() == first.to_dict()
        found = {dataset.id: dataset for dataset in client.datasets()}
        assert np.array_equal(found[large.id].numpy(), LARGE)
        # A job needs a file that is in the bucket alone.
        lose_cache(tmp_path / "data")
        assert client.dimensionality(found[large.id]).to_dict() == client.dimensionality(LARGE).to_dict()
        # What nothing refers to any more leaves the bucket, too.
        found[large.id].delete()
        assert key(large.id) not in keys(s3) and key(small.id) in keys(s3)


def test_other_bytes_in_the_bucket_are_not_taken(start: Callable[..., es.LocalServer], tmp_path: Path, s3: Any) -> None:
    with start("--blobs", ADDRESS) as server:
        client = server.client(device="cpu")
        dataset = client.upload(np.ones((4, 3)))
        s3.put_object(Bucket=BUCKET, Key=key(dataset.id), Body=b"something else")
        lose_cache(tmp_path / "data")
        with pytest.raises(es.ApiError):
            dataset.download()
        assert cached(tmp_path / "data") == set()


def test_the_cache_is_kept_small_and_bytes_from_before_are_moved(
    start: Callable[..., es.LocalServer], binary: str, tmp_path: Path, s3: Any
) -> None:
    data = tmp_path / "data"
    with start() as server:
        before = server.client(device="cpu").upload(LARGE)
    old = data / "blobs" / before.id[:2] / before.id
    subprocess.run(["touch", "-d", "2 hours ago", old], check=True)
    with start("--blobs", ADDRESS, "--blob-cache", "1000000") as server:
        client = server.client(device="cpu")
        after = client.upload(np.zeros((10, 4)))
        # What the folder alone had goes to the bucket first, and leaves the cache because that is too large.
        deadline = time.monotonic() + 30
        while before.id in cached(data):
            assert time.monotonic() < deadline, "it stays"
            time.sleep(0.05)
        assert key(before.id) in keys(s3) and after.id in cached(data)
        found = {dataset.id: dataset for dataset in client.datasets()}
        assert np.array_equal(found[before.id].numpy(), LARGE)
    # From now on the folder is not served without its bytes, and a backup knows where they are.
    with pytest.raises(es.ServerUnreachable, match=f"start with --blobs {ADDRESS}"):
        start()
    lose_cache(data)
    backup = tmp_path / "backup"
    subprocess.run([binary, "backup", "--data-dir", data, backup], check=True, capture_output=True)
    doctor = subprocess.run([binary, "doctor", "--data-dir", data], capture_output=True, text=True)
    assert f"{ADDRESS} answers" in doctor.stdout and "missing" not in doctor.stdout, doctor.stdout
    with es.LocalServer(binary=binary, data_dir=backup, args=["--blobs", ADDRESS]) as server:
        found = {dataset.id: dataset for dataset in server.client(device="cpu").datasets()}
        assert np.array_equal(found[before.id].numpy(), LARGE)


def test_an_object_store_that_cannot_be_used_is_told_at_the_start(start: Callable[..., es.LocalServer], s3: Any) -> None:
    with pytest.raises(es.ServerUnreachable, match="only s3://bucket/prefix is known"):
        start("--blobs", "ftp://somewhere")
    with pytest.raises(es.ServerUnreachable, match="--blobs s3://absent/data: .*check the bucket's name"):
        start("--blobs", "s3://absent/data")


def test_an_object_store_that_stops_answering_loses_nothing(
    start: Callable[..., es.LocalServer], binary: str, tmp_path: Path, moto: ThreadedMotoServer, s3: Any
) -> None:
    with start("--blobs", ADDRESS) as server:
        client = server.client(device="cpu")
        kept = client.upload(np.ones((5, 2)))
        moto.stop()
        with pytest.raises(es.ApiError, match="object store"):
            client.upload(np.ones((3, 2)))
        assert [dataset.id for dataset in client.datasets()] == [kept.id], "a file that is not safe is not there"
        doctor = subprocess.run([binary, "doctor", "--data-dir", tmp_path / "data"], capture_output=True, text=True)
        assert doctor.returncode == 1 and f"--blobs {ADDRESS}: " in doctor.stdout, doctor.stdout
        # A job that ends meanwhile waits until its result is safe.
        job = client.submit.dimensionality(kept)
        with pytest.raises(TimeoutError):
            job.wait(5)
        assert job.refresh().state == "running"
        host, port = moto.get_host_and_port()
        again = ThreadedMotoServer(ip_address=host, port=port, verbose=False)
        again.start()
        assert job.wait(60).state == "done"
        assert len(keys(s3)) == 2, "the file and the result"
        again.stop()
