"""A small network as an ONNX file, written here so that the tests need no further package: a convolution, a ReLU, their mean."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes([*out, n])


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _ints_attribute(name: str, values: list[int]) -> bytes:
    return _bytes(1, name) + b"".join(_int(8, v) for v in values) + _int(20, 7)


def _node(op: str, inputs: list[str], output: str, attributes: list[bytes] | None = None) -> bytes:
    names = b"".join(_bytes(1, name) for name in inputs) + _bytes(2, output) + _bytes(3, output) + _bytes(4, op)
    return names + b"".join(_bytes(5, attribute) for attribute in attributes or [])


def _tensor(name: str, values: np.ndarray) -> bytes:
    return b"".join(_int(1, n) for n in values.shape) + _int(2, 1) + _bytes(8, name) + _bytes(9, values.astype("<f4").tobytes())


def _value(name: str, shape: list[int | str]) -> bytes:
    dims = b"".join(_bytes(1, _bytes(2, n) if isinstance(n, str) else _int(1, n)) for n in shape)
    return _bytes(1, name) + _bytes(2, _bytes(1, _int(1, 1) + _bytes(2, dims)))


def weights() -> np.ndarray:
    """The kernels of the convolution, (4, 3, 3, 3)."""
    return np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)


def tiny_network() -> Path:
    """The file: ``input`` (n, 3, 8, 8) → ``conv`` (n, 4, 6, 6) → ``relu`` → ``mean`` (n, 4, 1, 1)."""
    nodes = [
        _node("Conv", ["input", "weight"], "conv", [_ints_attribute("kernel_shape", [3, 3])]),
        _node("Relu", ["conv"], "relu"),
        _node("GlobalAveragePool", ["relu"], "mean"),
    ]
    graph = b"".join(_bytes(1, node) for node in nodes) + _bytes(2, "tiny") + _bytes(5, _tensor("weight", weights()))
    graph += _bytes(11, _value("input", ["n", 3, 8, 8])) + _bytes(12, _value("mean", ["n", 4, 1, 1]))
    model = _int(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, "") + _int(2, 13))
    path = Path(tempfile.gettempdir()) / "eigenscope-client-tests" / "tiny.onnx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(model)
    return path
