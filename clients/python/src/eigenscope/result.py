"""Results: numbers by attribute or by key, arrays as numpy arrays.

An envelope is the eight bytes ``EIGSCOPE``, the header's length as u32, the header (JSON), zero bytes up to the next multiple of
eight, then little-endian f64. An array in the header is ``{"shape": […], "at": n}`` with ``n`` counted in values.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

MEDIA_TYPE = "application/vnd.eigenscope.result"
_MAGIC = b"EIGSCOPE"

# Lists that one input gives one entry of: with a single entry its numbers are the result's.
_ENTRIES = {"dimensionality": "spectra", "probe": "layers", "searchlight": "maps"}


class Record(Mapping[str, Any]):
    """Named values: ``record.name`` or ``record["name"]``; ``in``, ``len``, ``keys()`` and ``dict(record)`` work as well.

    A value whose name is that of a method of mappings (``values`` of ``similarity`` and ``tuning``) wins over the method.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self.__dict__.update({name: values[name] for name in ("get", "items", "keys", "values") if name in values})

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._values:
            return self._values[name]
        raise AttributeError(f"there is no {name!r} here; there are: {', '.join(self._values) if not name.startswith('_') else ''}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._values]

    def __repr__(self) -> str:
        return f"Record({', '.join(_words(self._values))})"

    def __getstate__(self) -> dict[str, Any]:
        return self._values

    def __setstate__(self, values: dict[str, Any]) -> None:
        Record.__init__(self, values)

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists and numbers, ``None`` where a number is undefined: what ``--json`` of the command line prints."""
        return {name: plain(value) for name, value in self._values.items()}


class Result(Record):
    """What an analysis gives: the fields of its output, and ``kind``, ``warnings``, ``device``, ``version``.

    Arrays are numpy arrays of float64, NaN where undefined; lists of numbers are arrays too. Where the analysis gives one entry per
    input (``spectra`` of ``dimensionality``, ``layers`` of ``probe``, ``maps`` of ``searchlight``) and there is one, its numbers are
    attributes of the result: ``dimensionality(X).effective_dimensionality``.
    """

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name not in values and not name.startswith("_"):
            entries = values.get(_ENTRIES.get(values.get("kind", ""), ""), ())
            if len(entries) == 1 and name in entries[0]:
                return entries[0][name]
        return super().__getattr__(name)

    def __repr__(self) -> str:
        hidden = ("kind", "warnings", "device", "version")
        shown = {name: value for name, value in self._values.items() if name not in hidden}
        entries = shown.get(_ENTRIES.get(self._values.get("kind", ""), ""), ())
        if len(entries) == 1:
            shown.pop(_ENTRIES[self._values["kind"]])
            shown.update(entries[0])
        words = _words(shown)
        n_warnings = len(self._values.get("warnings", ()))
        if n_warnings:
            words.append(f"{n_warnings} warning{'s' if n_warnings > 1 else ''}")
        return f"<{self._values.get('kind', 'result')}: {', '.join(words)}>"


def _words(values: Mapping[str, Any]) -> list[str]:
    """``name=value`` of what is there."""
    return [f"{name}={brief(value)}" for name, value in values.items() if value is not None and not (isinstance(value, list) and not value)]


def brief(value: Any) -> str:
    """One short word or number for a value."""
    if isinstance(value, np.ndarray):
        return f"array{value.shape}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Record):
        return "{" + ", ".join(value) + "}"
    if isinstance(value, list):
        if len(value) <= 3 and all(isinstance(v, (str, int)) for v in value):
            return repr(value)
        return f"[{len(value)}]"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:38]}…{text[0] if isinstance(value, str) else ''}"


def plain(value: Any) -> Any:
    """A value of a result as JSON has it."""
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def unpack(data: bytearray) -> Result:
    """Reads an envelope; its arrays are views of ``data``.

    Raises
    ------
    ValueError
        When it is none, or is truncated.
    """
    if len(data) < 12 or data[:8] != _MAGIC:
        raise ValueError("not an Eigenscope result")
    (length,) = struct.unpack_from("<I", data, 8)
    start = -(-(12 + length) // 8) * 8
    if len(data) < start:
        raise ValueError("the result's header is truncated")
    header = json.loads(bytes(data[12 : 12 + length]))
    values = np.frombuffer(data, "<f8", (len(data) - start) // 8, start)
    return Result(_fields(header, values))


def load(path: str | os.PathLike[str]) -> Result:
    """A result that ``eigenscope … --output RESULT.eigr`` wrote.

    Raises
    ------
    ValueError
        When the file is none, or is truncated.
    """
    with open(path, "rb") as file:
        return unpack(bytearray(file.read()))


def _fields(value: dict[str, Any], values: np.ndarray) -> dict[str, Any]:
    return {name: _convert(v, values) for name, v in value.items()}


def _convert(value: Any, values: np.ndarray) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"shape", "at"}:
            n = int(np.prod(value["shape"], dtype=np.int64))
            if value["at"] + n > len(values):
                raise ValueError("the result's values are truncated")
            return values[value["at"] : value["at"] + n].reshape(value["shape"])
        return Record(_fields(value, values))
    if isinstance(value, list):
        if value and _are_numbers(value):
            return _numbers(value)
        return [_convert(v, values) for v in value]
    return value


def _are_numbers(value: list[Any]) -> bool:
    """Whether a list holds numbers and gaps alone; rows of pairs such as ``times`` are lists of such lists."""
    return all(v is None or (isinstance(v, (int, float)) and not isinstance(v, bool)) for v in value)


def _numbers(value: list[Any]) -> np.ndarray:
    if all(isinstance(v, int) for v in value):
        return np.array(value, dtype=np.int64)
    return np.array([np.nan if v is None else v for v in value], dtype=np.float64)
