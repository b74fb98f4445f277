"""Files on a server."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .client import Client


@dataclass(frozen=True)
class ArrayInfo:
    """One array of a file: its ``member`` of an archive, ``dtype``, ``shape``, and why it is ``refused``, if it is."""

    member: str | None
    dtype: str
    shape: tuple[int, ...]
    refused: str | None


@dataclass(frozen=True)
class Dataset:
    """A file on a server, or one array of it: an input of any analysis.

    ``dataset["member"]`` chooses an array of an archive, ``dataset.with_samples(1)`` takes the samples along another axis.
    """

    client: Client
    id: str
    name: str
    size_bytes: int
    created_ms: int
    arrays: tuple[ArrayInfo, ...]
    member: str | None = None
    samples_axis: int = 0

    @classmethod
    def of(cls, client: Client, info: Mapping[str, Any]) -> Dataset:
        """From the server's JSON."""
        arrays = tuple(ArrayInfo(a["member"], a["dtype"], tuple(a["shape"]), a["refused"]) for a in info["arrays"])
        return cls(client, info["id"], info["name"], info["size_bytes"], info["created_ms"], arrays)

    def __getitem__(self, member: str) -> Dataset:
        names = [a.member for a in self.arrays]
        if member not in names:
            raise KeyError(
                f"{self.name} has no member {member!r}; it has: {', '.join(n for n in names if n) or 'one array without a name'}"
            )
        return replace(self, member=member)

    def with_samples(self, axis: int) -> Dataset:
        """The same array with the samples along an axis, counted from 0: it becomes the first, the others keep their order."""
        return replace(self, samples_axis=axis)

    @property
    def members(self) -> list[str]:
        """Names of the arrays of an archive; none for a file of one array."""
        return [a.member for a in self.arrays if a.member is not None]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array that this stands for.

        Raises
        ------
        ValueError
            When the file has several and none was chosen, or there is no such axis.
        """
        found = [a for a in self.arrays if self.member is None or a.member == self.member]
        if len(found) != 1:
            raise ValueError(f"{self.name} has {len(found)} arrays; choose one: {', '.join(self.members)}")
        shape = found[0].shape
        if not self.samples_axis:
            return shape
        if not 0 < self.samples_axis < len(shape):
            raise ValueError(
                f"axis {self.samples_axis} cannot have the samples of {self.name}, which has {len(shape)} axes, counted from 0"
            )
        return (shape[self.samples_axis], *shape[: self.samples_axis], *shape[self.samples_axis + 1 :])

    def ref(self) -> dict[str, Any]:
        """How a request names it."""
        return {"dataset": self.id, "member": self.member, "samples_axis": self.samples_axis}

    def download(self) -> bytes:
        """The bytes of the file, as uploaded."""
        return bytes(self.client.transport.request("GET", f"/api/v1/datasets/{self.id}/bytes").body)

    def export(self, format: str = "npy") -> bytes:
        """The array as a file in another format: ``npy``, ``npz``, ``h5``, ``csv`` or ``mat`` (MATLAB 5), floats as they are held."""
        query = {"format": format, "samples_axis": str(self.samples_axis)}
        if self.member is not None:
            query["member"] = self.member
        return bytes(self.client.transport.request("GET", f"/api/v1/datasets/{self.id}/arrays", query=query).body)

    def numpy(self) -> np.ndarray:
        """The array of an ``.npy`` or ``.npz`` file.

        Raises
        ------
        ValueError
            For files of other formats, and archives of which no array was chosen.
        """
        suffix = PurePath(self.name).suffix
        if suffix not in (".npy", ".npz"):
            raise ValueError(f"{self.name} is no file of numpy; download() gives its bytes")
        loaded = np.load(io.BytesIO(self.download()), allow_pickle=False)
        if suffix == ".npz":
            members = self.members
            if self.member is None and len(members) != 1:
                raise ValueError(f"{self.name} has {len(members)} arrays; choose one: {', '.join(members)}")
            loaded = loaded[self.member or members[0]]
        array = np.asarray(loaded)
        return np.moveaxis(array, self.samples_axis, 0)

    def delete(self) -> None:
        """Removes the file from the server.

        Raises
        ------
        Conflict
            When an unfinished job reads it.
        """
        self.client.transport.request("DELETE", f"/api/v1/datasets/{self.id}")

    def __repr__(self) -> str:
        chosen = f"::{self.member}" if self.member else ""
        shapes = ", ".join(f"{a.dtype}{list(a.shape)}" for a in self.arrays[:3]) + (", …" if len(self.arrays) > 3 else "")
        return f"<Dataset {self.name}{chosen}{f'.with_samples({self.samples_axis})' if self.samples_axis else ''}: {shapes}>"
