"""BLAKE3 of uploads: the server names a dataset by the hash of its bytes, so that what is there already is not sent again.

The package ``blake3`` does it if it is installed. Otherwise numpy does, many chunks of 1,024 bytes side by side.

Source: O'Connor, Aumasson, Neves, Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere", 2020, sections 2.1 to 2.6.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

import numpy as np

try:
    _native: Any = importlib.import_module("blake3")
except ImportError:  # the extra "fast" is not installed
    _native = None

CHUNK = 1024
"""Bytes of a leaf of the tree."""

BATCH_CHUNKS = 1024
"""Leaves that are hashed side by side; a power of two, so that a batch is a whole subtree."""

_START, _END, _PARENT, _ROOT = 1, 2, 4, 8
_IV = np.array([0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19], dtype=np.uint32)
_PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8]


def _schedule() -> list[tuple[list[int], ...]]:
    """For each round the words that its four half steps add to the columns, then to the diagonals."""
    order = list(range(16))
    rounds: list[tuple[list[int], ...]] = []
    for _ in range(7):
        rounds.append((order[0:8:2], order[1:8:2], order[8:16:2], order[9:16:2]))
        order = [order[i] for i in _PERMUTATION]
    return rounds


_ROUNDS = _schedule()


def content_id(pieces: Iterable[Any]) -> str:
    """The BLAKE3 hash of bytes that come in pieces, hexadecimal.

    Parameters
    ----------
    pieces : iterable of bytes-like
        The bytes in their order.
    """
    if _native is not None:
        hasher = _native.blake3()
        for piece in pieces:
            hasher.update(piece)
        return str(hasher.hexdigest())
    return numpy_blake3(pieces)


def numpy_blake3(pieces: Iterable[Any]) -> str:
    """BLAKE3 in numpy alone; some 100 MB/s on one core."""
    size = CHUNK * BATCH_CHUNKS
    held = bytearray()
    subtrees: list[np.ndarray] = []
    n_chunks = 0
    for piece in pieces:
        view = memoryview(piece).cast("B")
        while len(view):
            if len(held) == size:
                # More follows: this batch is a whole subtree below the root.
                subtrees.append(_merge(_leaves(held, n_chunks)))
                n_chunks += BATCH_CHUNKS
                held = bytearray()
            take = min(size - len(held), len(view))
            held += view[:take]
            view = view[take:]
    if not subtrees and len(held) <= CHUNK:
        return _hex(_leaves(held, 0, root=True))
    last = _leaves(held, n_chunks)
    if not subtrees:
        return _hex(_merge(last, root=True))
    nodes = np.concatenate([*subtrees, _merge(last)], axis=1)
    return _hex(_merge(nodes, root=True))


def _hex(value: np.ndarray) -> str:
    return np.ascontiguousarray(value[:, 0]).astype("<u4").tobytes().hex()


def _merge(nodes: np.ndarray, root: bool = False) -> np.ndarray:
    """Joins neighbors until one is left; a last one without a neighbor goes up as it is. ``nodes``: (8, n)."""
    while nodes.shape[1] > 1:
        n_pairs = nodes.shape[1] // 2
        words = np.concatenate([nodes[:, 0 : 2 * n_pairs : 2], nodes[:, 1 : 2 * n_pairs : 2]])
        flags = _PARENT | (_ROOT if root and nodes.shape[1] == 2 else 0)
        keys = np.repeat(_IV[:, None], n_pairs, axis=1)
        joined = _compress(keys, words, np.zeros(n_pairs, np.uint64), 64, flags)
        nodes = np.concatenate([joined, nodes[:, 2 * n_pairs :]], axis=1)
    return nodes


def _leaves(held: bytearray, first: int, root: bool = False) -> np.ndarray:
    """The chaining values (8, n) of the chunks of ``held``; the last one may be short."""
    n_full = len(held) // CHUNK
    rest = len(held) - n_full * CHUNK
    out = []
    # A single whole chunk that is the root is finished below, where flags are known.
    if root and not rest and n_full == 1:
        n_full, rest = 0, CHUNK
    if n_full:
        words = np.frombuffer(held, "<u4", n_full * CHUNK // 4).reshape(n_full, 16, 16).astype(np.uint32, copy=False)
        words = np.ascontiguousarray(words.transpose(1, 2, 0))
        counters = np.arange(first, first + n_full, dtype=np.uint64)
        value = np.repeat(_IV[:, None], n_full, axis=1)
        for block in range(16):
            value = _compress(value, words[block], counters, 64, (_START if block == 0 else 0) | (_END if block == 15 else 0))
        out.append(value)
    if rest or not held:
        out.append(_short(bytes(held[n_full * CHUNK :]), first + n_full, root))
    return np.concatenate(out, axis=1)


def _short(data: bytes, counter: int, root: bool) -> np.ndarray:
    value = _IV[:, None].copy()
    n_blocks = max(1, -(-len(data) // 64))
    for block in range(n_blocks):
        part = data[64 * block : 64 * (block + 1)]
        words = np.frombuffer(part.ljust(64, b"\0"), "<u4").astype(np.uint32)[:, None]
        is_last = block == n_blocks - 1
        flags = (_START if block == 0 else 0) | (_END if is_last else 0) | (_ROOT if is_last and root else 0)
        value = _compress(value, words, np.array([counter], np.uint64), len(part), flags)
    return value


def _compress(key: np.ndarray, words: np.ndarray, counters: np.ndarray, length: int, flags: int) -> np.ndarray:
    """The compression function for n blocks at once. ``key``: (8, n); ``words``: (16, n); gives (8, n)."""
    n = words.shape[1]
    a, b = key[:4].copy(), key[4:].copy()
    c = np.repeat(_IV[:4, None], n, axis=1)
    d = np.empty((4, n), np.uint32)
    d[0] = (counters & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    d[1] = (counters >> np.uint64(32)).astype(np.uint32)
    d[2], d[3] = length, flags
    spare = np.empty_like(d)
    for column_x, column_y, diagonal_x, diagonal_y in _ROUNDS:
        _mix(a, b, c, d, words[column_x], words[column_y], spare)
        b, c, d = b[[1, 2, 3, 0]], c[[2, 3, 0, 1]], d[[3, 0, 1, 2]]
        _mix(a, b, c, d, words[diagonal_x], words[diagonal_y], spare)
        b, c, d = b[[3, 0, 1, 2]], c[[2, 3, 0, 1]], d[[1, 2, 3, 0]]
    return np.concatenate([a ^ c, b ^ d])


def _mix(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, x: np.ndarray, y: np.ndarray, spare: np.ndarray) -> None:
    for message, first, second in ((x, 16, 12), (y, 8, 7)):
        a += b
        a += message
        d ^= a
        _rotate(d, first, spare)
        c += d
        b ^= c
        _rotate(b, second, spare)


def _rotate(value: np.ndarray, bits: int, spare: np.ndarray) -> None:
    np.left_shift(value, np.uint32(32 - bits), out=spare)
    np.right_shift(value, np.uint32(bits), out=value)
    value |= spare
