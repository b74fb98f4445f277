"""What is sent, and what is not sent again."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import eigenscope as es
from cases import blobs, related, table
from eigenscope import hashing, sources
from eigenscope.transport import Transport


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The uploads from here on."""
    names: list[str] = []
    real = Transport.request

    def request(self: Transport, method: str, path: str, **options: Any) -> Any:
        if method == "POST" and path == "/api/v1/datasets":
            names.append(options["query"]["name"])
        return real(self, method, path, **options)

    monkeypatch.setattr(Transport, "request", request)
    return names


# Of the BLAKE3 project's test vectors: bytes 0, 1, …, 250, 0, 1, … of these lengths.
VECTORS = {
    0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1023: "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
    1024: "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
    1025: "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
    2048: "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
    2049: "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
    31744: "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47",
    102400: "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
}


@pytest.mark.parametrize("length", VECTORS)
def test_hashes_are_blake3(length: int) -> None:
    data = bytes(i % 251 for i in range(length))
    assert hashing.numpy_blake3([data]) == VECTORS[length]
    assert hashing.numpy_blake3([data[:7], data[7:70], data[70:]]) == VECTORS[length], "in pieces"
    assert hashing.content_id([data]) == VECTORS[length]


@pytest.mark.parametrize("n", [100, (1 << 20) // 8 - 16, (1 << 20) // 8, 5 * (1 << 20) // 8 + 3])
def test_hashes_are_the_names_that_the_server_gives(client: es.Client, n: int) -> None:
    upload = sources.of_array(np.arange(float(n)))
    assert client.upload(np.arange(float(n))).id == hashing.numpy_blake3(upload)


def test_what_is_there_already_is_not_sent_again(client: es.Client, sent: list[str]) -> None:
    x, _ = blobs(seed=70)
    first = client.upload(x)
    assert len(sent) == 1
    assert client.upload(x.copy()).id == first.id
    client.rdm(x)
    client.dimensionality([x, x])
    assert len(sent) == 1
    client.rdm(x + 1)
    assert len(sent) == 2


def test_large_files_are_hashed_only_where_one_of_their_size_is_there(
    client: es.Client, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []
    monkeypatch.setattr("eigenscope.client.content_id", lambda upload: hashed.append(upload.name) or hashing.content_id(upload))
    x = np.arange(1_000_001.0)
    first = client.upload(x)
    assert (sent, hashed) == (["array.npy"], [])
    assert client.upload(x).id == first.id
    assert (len(sent), len(hashed)) == (1, 1)


def test_the_same_bytes_of_another_format_are_sent_again(client: es.Client, sent: list[str], tmp_path: Path) -> None:
    text = "a;b\n1,5;2\n"
    for name in ("t.csv", "t.tsv"):
        (tmp_path / name).write_text(text + name[:0])
        client.upload(tmp_path / name)
    assert sent == ["t.csv", "t.tsv"]


DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", ">f8", ">i4"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_of_number_arrives(client: es.Client, dtype: str) -> None:
    x = (np.arange(24).reshape(6, 4) % 3 + (np.arange(24).reshape(6, 4) ** 2) % 5).astype(dtype)
    dataset = client.upload(x)
    (info,) = dataset.arrays
    assert (info.dtype, info.shape, info.refused) == (np.dtype(dtype).name, (6, 4), None)
    assert np.array_equal(dataset.numpy(), x)
    want = np.linalg.norm(x.astype(float)[:, None] - x.astype(float)[None], axis=-1)
    np.testing.assert_allclose(client.rdm(x, measure="euclidean").rdm, want, atol=1e-12)


def test_order_and_strides_of_arrays_do_not_matter(client: es.Client, rng: np.random.Generator) -> None:
    x = rng.normal(size=(7, 5))
    forms = [x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], x[::-1][::-1], x.T.copy().T]
    results = [client.rdm(form).rdm for form in forms]
    assert all(np.array_equal(results[0], result) for result in results[1:])
    assert b"'fortran_order': True" in client.upload(np.asfortranarray(x)).download()[:128]
    read_only = x.copy()
    read_only.flags.writeable = False
    assert np.array_equal(client.rdm(read_only).rdm, results[0])


def test_an_array_is_exported_in_other_formats(client: es.Client, rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 3))
    dataset = client.upload(x)
    assert np.array_equal(np.load(io.BytesIO(dataset.with_samples(1).export("npy"))), x.T)
    assert np.array_equal(np.loadtxt(io.BytesIO(dataset.export("csv")), delimiter=","), x)
    assert dataset.export("mat").startswith(b"MATLAB 5.0") and dataset.export("h5").startswith(b"\x89HDF")


def test_names_may_begin_as_options_do(client: es.Client, rng: np.random.Generator, tmp_path: Path) -> None:
    x = rng.normal(size=(4, 3))
    np.savez(tmp_path / "-dashed.npz", **{"-x": x})
    dataset = client.upload(tmp_path / "-dashed.npz")
    assert dataset.members == ["-x"]
    assert np.array_equal(np.load(io.BytesIO(dataset["-x"].export("npy"))), x)


def test_samples_can_be_along_any_axis(client: es.Client, rng: np.random.Generator) -> None:
    x = rng.normal(size=(7, 5))
    dataset = client.upload(x)
    turned = dataset.with_samples(1)
    assert turned.shape == (5, 7) and turned.with_samples(0) == dataset
    assert np.array_equal(client.rdm(turned).rdm, client.rdm(x.T).rdm)
    assert np.array_equal(turned.numpy(), x.T)
    stack = np.random.default_rng(4).normal(size=(3, 6, 4))
    middle = client.upload(stack).with_samples(1)
    assert middle.shape == (6, 3, 4) and np.array_equal(middle.numpy(), np.moveaxis(stack, 1, 0))
    assert np.array_equal(np.load(io.BytesIO(middle.export("npy"))), np.moveaxis(stack, 1, 0))
    moved = np.ascontiguousarray(np.moveaxis(stack, 1, 0))
    assert client.dimensionality(middle).to_dict()["spectra"] == client.dimensionality(moved).to_dict()["spectra"]
    with pytest.raises(ValueError, match="3 axes"):
        _ = middle.with_samples(3).shape
    with pytest.raises(es.ApiError, match="3 axes"):
        client.dimensionality(middle.with_samples(3))


def test_archives_have_members(client: es.Client, tmp_path: Path) -> None:
    x, y = related()
    np.savez(tmp_path / "both.npz", X=x, Y=y)
    both = client.upload(tmp_path / "both.npz")
    assert both.members == ["X", "Y"] and both["Y"].shape == y.shape and "both.npz::Y" in repr(both["Y"])
    assert np.array_equal(both["X"].numpy(), x)
    assert client.encoding(both["X"], both["Y"]).median_r == client.encoding(x, y).median_r
    with pytest.raises(KeyError, match="no member 'Z'; it has: X, Y"):
        both["Z"]
    with pytest.raises(ValueError, match="choose one: X, Y"):
        _ = both.shape
    with pytest.raises(es.InvalidRequest, match="give one of them as member"):
        client.rdm(both)


def test_labels_may_be_numbers_texts_columns_and_files(client: es.Client, tmp_path: Path) -> None:
    x, labels = blobs()
    want = client.manifolds(x, labels).radius
    file = tmp_path / "images.csv"
    file.write_text("name,category\n" + "".join(f"i{i},{label}\n" for i, label in enumerate(labels)))
    uploaded = client.upload({"name": [f"i{i}" for i in range(60)], "category": labels})
    forms: list[Any] = [
        np.array(labels),
        [i % 3 for i in range(60)],
        np.arange(60) % 3,
        np.arange(60) % 3 + 0.5,
        es.Labels(file, "category"),
        es.Labels(uploaded, "category"),
        es.Labels({"a": labels, "b": labels}, "b"),
    ]
    for form in forms:
        assert np.array_equal(client.manifolds(x, form).radius, want)
    assert client.manifolds(x, np.arange(60) % 3).classes == ["0", "1", "2"]
    assert client.manifolds(x, [["yes", "2"][i % 2] for i in range(60)]).classes == ["yes", "2"], "texts stay texts"
    awkward = ['semi;colon, "quoted"', "tab\there", "línea"]
    assert client.manifolds(x, [awkward[i % 3] for i in range(60)]).classes == awkward
    with pytest.raises(TypeError, match="no label"):
        client.manifolds(x, [None] * 60)
    with pytest.raises(TypeError, match="no label"):
        client.manifolds(x, ["a", ""] * 30)
    with pytest.raises(ValueError, match="one label per row"):
        client.manifolds(x, [["a", "b"]] * 30)


def test_tables_keep_every_digit(client: es.Client, rng: np.random.Generator) -> None:
    values = rng.normal(size=20) * 10.0 ** rng.integers(-200, 200, size=20)
    ours = client.relation({"ed": values, "score": np.arange(20.0)}, x="ed", y="score", bootstrap=0)
    assert np.array_equal(ours.rows.x, values)


def test_tables_have_gaps_where_python_has_none(client: es.Client) -> None:
    ours = client.relation({"ed": [1.0, None, 3.0, 4.0, 5.0], "score": [1, 2, 3, float("nan"), 7]}, x="ed", y="score", bootstrap=0)
    assert ours.n == 3
    with pytest.raises(ValueError, match="different lengths"):
        client.upload({"a": [1], "b": [1, 2]})


def test_data_frames_are_tables(client: es.Client) -> None:

    class Columns:
        def __init__(self, values: dict[str, Any]) -> None:
            self.values_ = values
            self.columns = list(values)

        def __getitem__(self, name: str) -> np.ndarray:
            return np.asarray(self.values_[name])

    t = table()
    ours = client.relation(Columns(t), x="ed", y="score", bootstrap=0)
    assert ours.pearson_r == client.relation(t, x="ed", y="score", bootstrap=0).pearson_r


def write_png(path: Path, value: int) -> None:
    """An image of 8 by 8 pixels of one color."""
    import struct
    import zlib

    rows = b"".join(b"\0" + bytes([value, 2 * value % 256, 255 - value]) * 8 for _ in range(8))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))  # noqa: E731
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def test_images_may_be_a_folder_a_list_and_an_array(client: es.Client, sent: list[str], tmp_path: Path) -> None:
    from onnx_file import tiny_network

    folder = tmp_path / "photos"
    folder.mkdir()
    values = [20, 40, 100]
    for i, value in zip([10, 2, 1], values, strict=True):
        write_png(folder / f"stim_{i}.png", value)
    (folder / "notes.txt").write_text("no image")
    ours = client.extraction(tiny_network(), folder, layers="mean", preset="unit")
    assert ours.images == ["stim_1.png", "stim_2.png", "stim_10.png"], "as people count"
    files = sorted(folder.glob("*.png"))
    assert np.array_equal(
        client.extraction(tiny_network(), files, layers="mean", preset="unit").layers[0]["values"], ours.layers[0]["values"]
    )
    assert sent.count("photos.zip") == 1 and "images.zip" not in sent, "the same files are the same bytes"
    stack = np.array([np.full((8, 8, 3), [v, 2 * v, 255 - v], dtype=np.uint8) for v in reversed(values)])
    as_array = client.extraction(tiny_network(), stack, array="images", layers="mean", preset="unit")
    np.testing.assert_allclose(as_array.layers[0]["values"], ours.layers[0]["values"], atol=1e-6)


def test_large_arrays_are_not_copied(client: es.Client) -> None:
    x = np.zeros((1 << 16, 64))
    upload = sources.of_array(x)
    pieces = list(upload)
    assert sum(len(p) for p in pieces) == upload.size_bytes == x.nbytes + 128
    assert all(len(p) <= 1 << 20 for p in pieces)
    assert np.shares_memory(np.frombuffer(pieces[5], np.uint8), x)


def test_a_dataset_belongs_to_its_server(client: es.Client, binary: str) -> None:
    dataset = client.upload(np.eye(4))
    with es.LocalServer(binary=binary) as other, pytest.raises(ValueError, match="upload it here"):
        other.client().rdm(dataset)


def test_results_are_numpy_arrays_that_can_be_pickled(client: es.Client) -> None:
    import pickle

    x, _ = blobs()
    result = client.rdm(x)
    assert isinstance(result.rdm, np.ndarray) and result.rdm.dtype == np.float64 and result.rdm.flags.writeable
    again = pickle.loads(pickle.dumps(result))
    assert np.array_equal(again.rdm, result.rdm) and again.device == result.device
    assert "rdm" in result and set(result) >= {"rdm", "n", "warnings", "device"} and len(dict(result)) == len(result)
    assert repr(result).startswith("<rdm: input='X', measure='correlation', n=60, rdm=array(60, 60)")
    with pytest.raises(AttributeError, match="there is no 'absent' here; there are: kind, input"):
        _ = result.absent
    assert "rdm" in dir(result)


def test_files_that_are_no_results_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "result.eigr"
    for data, words in ((b"nothing", "not an Eigenscope result"), (b"EIGSCOPE\xff\0\0\0{}", "header is truncated")):
        file.write_bytes(data)
        with pytest.raises(ValueError, match=words):
            es.load(file)
    file.write_bytes(b'EIGSCOPE\x1a\0\0\0{"a":{"shape":[3],"at":0}}'.ljust(40, b"\0") + b"\0" * 16)
    with pytest.raises(ValueError, match="values are truncated"):
        es.load(file)


def test_importing_does_not_start_anything() -> None:
    import subprocess

    code = "import eigenscope, sys; print(eigenscope.server._default, 'sklearn' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "False", "False"]


def test_a_file_on_the_server_s_machine_is_taken_where_it_lies(binary: str, tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    array = np.random.default_rng(5).normal(size=(12, 4))
    np.save(lab / "IT.npy", array)
    np.save(tmp_path / "secret.npy", array)
    with es.LocalServer(binary=binary, args=["--root", str(lab)]) as server:
        client = server.client()
        dataset = client.register(str(lab / "IT.npy"))
        assert dataset.shape == (12, 4) and np.array_equal(dataset.numpy(), array)
        assert dataset.id == client.upload(array).id, "the same bytes are the same dataset, copied or not"
        with pytest.raises(es.Unauthorized, match="outside of the allowed folders"):
            client.register(str(tmp_path / "secret.npy"))
        with pytest.raises(es.NotFound):
            client.register(str(lab / "absent.npy"))
