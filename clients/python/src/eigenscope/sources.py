"""What may be an input: arrays, labels, tables, files, images; and the bytes that the server reads them from."""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from .transport import PIECE

if TYPE_CHECKING:
    from .datasets import Dataset

Source = Union["Dataset", str, "os.PathLike[str]", Any]
"""An input: anything that numpy makes an array of numbers of, a path (``FILE`` or ``FILE::member``), or a :class:`Dataset`."""

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp")
"""Endings of the files of a folder that are taken for images."""


@dataclass(frozen=True)
class Labels:
    """A column of a table or file as labels: ``Labels("images.csv", "category")``.

    Arguments that take labels also take a list or array with one label per row.
    """

    source: Source
    column: str | None = None


@dataclass(frozen=True)
class Upload:
    """A file to be: its name, its length, and its bytes as often as they are asked for."""

    name: str
    size_bytes: int
    pieces: Any
    member: str | None = None
    by_name: bool = False
    """Whether the name counts (architectures of state dicts), not only its ending."""

    def __iter__(self) -> Iterator[memoryview]:
        for piece in self.pieces():
            view = memoryview(piece).cast("B")
            for at in range(0, len(view), PIECE):
                yield view[at : at + PIECE]


def of_array(value: Any, name: str = "array") -> Upload:
    """An array as an NPY file. C and Fortran order are kept; other strides are copied.

    Raises
    ------
    TypeError
        For objects, complex numbers, text, times, masked arrays and numbers of more than 64 bits, with what to do.
    """
    array = np.ma.asanyarray(value) if isinstance(value, np.ma.MaskedArray) else np.asarray(value)
    _refuse(array, name)
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and np.little_endian is False):
        array = array.astype(array.dtype.newbyteorder("<"))
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    if not fortran:
        # Not `ascontiguousarray` for all: it gives a number an axis.
        array = array if array.flags.c_contiguous else np.ascontiguousarray(array)
    header = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": fortran, "shape": array.shape}
    np.lib.format.write_array_header_1_0(header, described)
    data = (array.T if fortran else array).reshape(-1).view(np.uint8)
    return Upload(
        f"{_file_stem(name)}.npy",
        header.tell() + data.nbytes,
        lambda: (header.getvalue(), data.data) if data.nbytes else (header.getvalue(),),
    )


def _refuse(array: np.ndarray, name: str) -> None:
    kind, advice = array.dtype.kind, None
    if isinstance(array, np.ma.MaskedArray):
        advice = "it is a masked array; fill it first (array.filled(nan) where the analysis takes gaps)"
    elif kind == "O":
        advice = "it holds Python objects; make it numbers first (rows of equal length, numpy.asarray(x, dtype=float))"
    elif kind == "c":
        advice = "its values are complex; take the real part, the imaginary part or the modulus"
    elif kind in "US":
        advice = "it holds text; numbers are needed here"
    elif kind not in "biuf":
        advice = f"its values are of type {array.dtype}; make them numbers first"
    elif array.dtype.itemsize > 8:
        advice = f"its numbers have {8 * array.dtype.itemsize} bits ({array.dtype}); use float64"
    if advice:
        raise TypeError(f"{name}: {advice}")


def of_labels(value: Any, name: str = "labels") -> Upload:
    """Labels of rows: numbers as an array, text as a table of one column.

    Raises
    ------
    TypeError
        When they are neither numbers nor text.
    ValueError
        For empty labels, or more than one axis.
    """
    array = np.asarray(value)
    if array.dtype.kind in "biuf":
        return of_array(array, name)
    texts = [_text(v, name) for v in array.reshape(-1).tolist()]
    if array.ndim != 1:
        raise ValueError(f"{name}: one label per row is needed, in a list or a vector; this has shape {array.shape}")
    # Columns of this name are text, also where some of it looks like numbers.
    return of_table({"kind": texts}, name)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, (str, int, float, np.number)) or value == "":
        raise TypeError(f"{name}: {value!r} is no label; labels are texts or numbers, none of them empty")
    return str(value)


def is_table(value: Any) -> bool:
    """Whether it is a data frame, or a dictionary of columns."""
    if isinstance(value, Mapping):
        return True
    return hasattr(value, "columns") and hasattr(value, "__getitem__") and not isinstance(value, np.ndarray)


def of_table(value: Any, name: str = "table") -> Upload:
    """A data frame, or a dictionary of columns, as a CSV file. Numbers keep every digit; ``None`` and NaN are empty cells.

    Raises
    ------
    ValueError
        When columns differ in length.
    """
    if isinstance(value, Mapping):
        columns = {
            str(key): list(np.asarray(column).tolist()) if isinstance(column, np.ndarray) else list(column) for key, column in value.items()
        }
    else:
        columns = {str(key): list(value[key].tolist()) for key in value.columns}
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{name}: its columns have different lengths: {lengths}")
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow(list(columns))
    for row in zip(*columns.values(), strict=True):
        writer.writerow([_cell(v) for v in row])
    data = text.getvalue().encode()
    return Upload(f"{_file_stem(name)}.csv", len(data), lambda: (data,))


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    return value


def of_path(path: str | os.PathLike[str]) -> Upload:
    """A file, ``FILE::member`` of an archive, or a folder of images.

    Raises
    ------
    FileNotFoundError
        When it is not there.
    ValueError
        For a folder without images.
    """
    text = os.fspath(path)
    name, member = text, None
    if not Path(name).exists() and "::" in text:
        name, _, member = text.rpartition("::")
    file = Path(name)
    if file.is_dir():
        return of_images(sorted(p for p in file.iterdir() if p.suffix.lower() in IMAGE_ENDINGS), file.name or "images")
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {name!r}")

    def pieces() -> Iterator[bytes]:
        with file.open("rb") as opened:
            while piece := opened.read(PIECE):
                yield piece

    by_name = file.suffix.lower() in (".pth", ".pt", ".safetensors")
    return Upload(file.name, file.stat().st_size, pieces, member, by_name)


def of_images(files: Sequence[str | os.PathLike[str]], name: str = "images") -> Upload:
    """Image files as one set: a zip archive without compression; the same files always give the same bytes.

    Raises
    ------
    ValueError
        Without images, or when two have the same name.
    """
    paths = [Path(file) for file in files]
    if not paths:
        raise ValueError(f"{name}: there are no images ({', '.join(IMAGE_ENDINGS)})")
    if len({p.name for p in paths}) < len(paths):
        raise ValueError(f"{name}: two images have the same name")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in paths:
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
    data = out.getvalue()
    return Upload(f"{_file_stem(name)}.zip", len(data), lambda: (data,))


def stem(source: Any) -> str | None:
    """The name that a file gives its input, as on the command line: ``STEM``, or ``STEM::member``."""
    if not isinstance(source, (str, os.PathLike)):
        return None
    text = os.fspath(source)
    member = ""
    if "::" in text and not Path(text).exists():
        text, _, member = text.rpartition("::")
    name = Path(text).name
    name = name[: -len(".nii.gz")] if name.endswith(".nii.gz") else Path(name).stem
    return f"{name}::{member}" if member else name


def _file_stem(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:100] or "array"


def is_many(value: Any) -> bool:
    """Whether a list holds inputs, and is not itself a matrix in Python's lists."""
    if not isinstance(value, (list, tuple)):
        return False
    return any(hasattr(v, "__array__") or isinstance(v, (str, os.PathLike)) or hasattr(v, "ref") for v in value) or _depth(value) > 2


def _depth(value: Any) -> int:
    depth = 0
    while isinstance(value, (list, tuple)) and value:
        value, depth = value[0], depth + 1
    return depth


def named(values: Any, default: str) -> Iterable[tuple[str | None, Any]]:
    """Inputs with their names where they have some: a dictionary, a list, or a single one."""
    if isinstance(values, Mapping):
        return [(str(key), value) for key, value in values.items()]
    if is_many(values):
        return [(None, value) for value in values]
    return [(None, values)]
