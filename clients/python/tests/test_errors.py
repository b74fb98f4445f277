"""Errors: one exception with the server's sentence."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import eigenscope as es
from cases import blobs, related


def test_a_wrong_token_is_refused(server: es.LocalServer) -> None:
    for token in ("wrong", None):
        address = server.url.partition("?")[0]
        stranger = es.Client(address, token)
        with pytest.raises(es.Unauthorized, match="the token is missing or wrong") as caught:
            stranger.datasets()
        assert (caught.value.status, caught.value.code) == (401, "unauthorized") and caught.value.request_id
        with pytest.raises(es.Unauthorized):
            stranger.rdm(np.eye(3))
        assert stranger.health()["status"] == "ok"


def test_different_rows_are_told_with_their_numbers(client: es.Client) -> None:
    x, y = related()
    with pytest.raises(es.InvalidRequest, match="60.*59") as caught:
        client.encoding(x, y[:-1])
    assert caught.value.code == "row_mismatch" and caught.value.job_id
    assert isinstance(caught.value, ValueError)


def test_a_wrong_shape_is_told(client: es.Client) -> None:
    with pytest.raises(es.InvalidRequest) as caught:
        client.rdm(np.zeros((2, 3, 4)))
    assert caught.value.code == "shape" and "2 x 3 x 4" in caught.value.message


def test_nan_is_told_with_its_place(client: es.Client) -> None:
    x, _ = related()
    x[3, 2] = np.nan
    with pytest.raises(es.InvalidRequest) as caught:
        client.dimensionality(x)
    assert caught.value.code == "non_finite" and caught.value.field == "X"


def test_a_parameter_out_of_range_names_its_field(client: es.Client) -> None:
    x, y = related()
    with pytest.raises(es.InvalidRequest) as caught:
        client.shape_distance([x, y], alpha=2.0)
    assert (caught.value.code, caught.value.field) == ("parameter", "alpha") and "2" in caught.value.message


def test_a_word_that_is_not_known_is_told_with_those_that_are(client: es.Client) -> None:
    with pytest.raises(es.InvalidRequest, match="unknown variant `manhattan`.*`cityblock`") as caught:
        client.rdm(np.eye(3), measure="manhattan")
    assert caught.value.status == 422


def test_a_dataset_that_is_gone_is_told(client: es.Client) -> None:
    gone = client.upload(blobs(seed=51)[0])
    gone.delete()
    with pytest.raises(es.NotFound, match="there is no dataset"):
        client.dataset(gone.id)
    with pytest.raises(es.NotFound, match='input "X": there is no dataset') as caught:
        client.rdm(gone)
    assert caught.value.status == 404 and caught.value.field == "X"
    with pytest.raises(es.NotFound):
        gone.delete()


def test_a_dataset_in_use_cannot_be_removed(client: es.Client) -> None:
    from test_jobs import long_request

    job = client.send(long_request())
    dataset = client.dataset(next(iter(job.info["request"]["inputs"].values()))["dataset"])
    try:
        with pytest.raises(es.Conflict, match="unfinished job"):
            dataset.delete()
    finally:
        job.delete()


def test_inputs_that_do_not_fit_the_spec_are_named(client: es.Client) -> None:
    with pytest.raises(es.InvalidRequest, match="the spec names this input but it was not given") as caught:
        client.run({"kind": "rdm", "input": "A"}, {})
    assert caught.value.code == "input"
    with pytest.raises(es.InvalidRequest, match="does not use this input"):
        client.run({"kind": "rdm", "input": "A"}, {"A": np.eye(3), "B": np.eye(3)})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array([[1, None], [2, 3]], dtype=object), "holds Python objects"),
        (np.array([[1 + 2j]]), "complex"),
        (np.array([["a", "b"]]), "text"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "datetime64"),
        (np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]]), "masked"),
        (np.ones((2, 2), dtype=np.longdouble), "use float64"),
        ({"a": [1, 2]}, "Python objects"),
    ],
)
def test_arrays_that_are_no_numbers_are_refused_here(value: object, words: str) -> None:
    if words == "use float64" and np.dtype(np.longdouble).itemsize == 8:
        pytest.skip("long doubles are doubles here")
    with pytest.raises(TypeError, match=words):
        es.request.rdm(value)


def test_files_that_are_not_there_and_folders_without_images(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent.npy"):
        es.request.rdm(tmp_path / "absent.npy")
    with pytest.raises(ValueError, match="there are no images"):
        es.request.extraction(tmp_path, tmp_path)


def test_a_file_that_cannot_be_read_has_the_readers_sentence(client: es.Client, tmp_path: Path) -> None:
    file = tmp_path / "broken.npy"
    file.write_bytes(b"no array at all")
    with pytest.raises(es.InvalidRequest, match="not an NPY file") as caught:
        client.upload(file)
    assert (caught.value.status, caught.value.code) == (422, "format")
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    with pytest.raises(es.InvalidRequest, match="pickled Python objects"):
        client.rdm(tmp_path / "objects.npy")


def test_an_upload_over_the_limit_is_refused(binary: str) -> None:
    with es.LocalServer(binary=binary, args=["--max-upload", "100000"]) as small:
        with pytest.raises(es.InvalidRequest, match="larger than the limit of 97.7 KiB") as caught:
            small.client().upload(np.zeros(4_000_000))
        assert (caught.value.status, caught.value.code) == (413, "too_large")


def test_warnings_of_results_are_warnings_of_python(client: es.Client) -> None:
    x, labels = blobs()
    with pytest.warns(es.ResultWarning, match="50 classes were asked for but labels has 3.*few_classes") as caught:
        result = client.projection(x, labels, n_samples=5)
    assert [w.code for w in result.warnings] == ["few_classes"]
    assert caught[0].filename == __file__, "the line that asked"


@pytest.fixture
def stranger() -> Iterator[str]:
    """A web server that is no Eigenscope."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503, "down for repair")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_another_server_is_told_apart(stranger: str) -> None:
    with pytest.raises(es.ApiError, match="answered 503 down for repair; is it an Eigenscope server"):
        es.Client(stranger).health()


def test_nobody_there_is_a_connection_error() -> None:
    with pytest.raises(es.ServerUnreachable, match="no answer from http://127.0.0.1:9"):
        es.Client("http://127.0.0.1:9").health()
    with pytest.raises(ValueError, match="no server is named"):
        es.Client()


def test_another_program_is_no_server(tmp_path: Path) -> None:
    with pytest.raises(es.ServerUnreachable, match="the server did not start"):
        es.LocalServer(binary="/bin/false" if Path("/bin/false").exists() else "/usr/bin/false")
    with pytest.raises(FileNotFoundError, match="is no program"):
        es.LocalServer(binary=tmp_path / "absent")


def test_the_servers_reason_for_not_starting_is_told(binary: str) -> None:
    with pytest.raises(es.ServerUnreachable, match="--site nowhere is not a folder"):
        es.LocalServer(binary=binary, args=["--site", "nowhere"])
