"""From Python's arguments to a spec with its inputs."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Union

import numpy as np

from ..datasets import Dataset
from ..progress import Progress
from ..sources import Labels, Source, Upload, is_many, is_table, named, of_array, of_images, of_labels, of_path, of_table, stem

if TYPE_CHECKING:
    from typing_extensions import Unpack

R = TypeVar("R", covariant=True)

Many = Union[Source, "list[Source]", "Mapping[str, Source]"]
"""Several inputs: a list, or a dictionary whose keys become their names; a single one is a list of one."""


class Options(TypedDict, total=False):
    """What every analysis also takes."""

    device: str
    """Where to compute: ``auto``, ``cpu``, ``vulkan`` or ``cuda``; else the client's."""
    progress: Progress
    """Whom to tell; see :class:`~eigenscope.Client`."""
    timeout_secs: float | None
    """The longest wait."""


@dataclass
class Request:
    """A spec with its inputs: what a server runs, and, as JSON, what ``eigenscope run`` reads."""

    spec: dict[str, Any]
    inputs: dict[str, Upload | Dataset] = field(default_factory=dict)


class Inputs:
    """Collects inputs and gives them names."""

    def __init__(self) -> None:
        self.sources: dict[str, Upload | Dataset] = {}

    def _put(self, name: str, source: Upload | Dataset) -> str:
        unique, n = name, 2
        while unique in self.sources:
            unique, n = f"{name}_{n}", n + 1
        self.sources[unique] = source
        return unique

    def _opened(self, value: Any) -> Upload | Dataset | None:
        if isinstance(value, (Dataset, Upload)):
            return value
        return of_path(value) if isinstance(value, (str, os.PathLike)) else None

    def array(self, value: Source, name: str) -> str:
        """Numbers; gives the name of the input."""
        return self._put(stem(value) or name, self._opened(value) or of_array(value, name))

    def maybe(self, value: Source | None, name: str) -> str | None:
        """Numbers that may be absent."""
        return None if value is None else self.array(value, name)

    def arrays(self, values: Many, name: str) -> list[str]:
        """Several inputs of numbers; gives their names. Those without a name of their own are ``name1``, ``name2``, …"""
        listed = list(named(values, name))
        if len(listed) == 1:
            key, value = listed[0]
            return [self.array(value, key or name)] if key is None else [self._put(key, self._opened(value) or of_array(value, key))]
        out = []
        for i, (key, value) in enumerate(listed):
            own = key or stem(value) or f"{name}{i + 1}"
            out.append(self._put(own, self._opened(value) or of_array(value, own)))
        return out

    def labels(self, value: Any, name: str) -> dict[str, Any]:
        """One label per row."""
        column = None
        if isinstance(value, Labels):
            value, column = value.source, value.column
        opened = self._opened(value)
        if opened is None:
            opened = of_table(value, name) if is_table(value) else of_labels(value, name)
        return {"input": self._put(stem(value) or name, opened), "column": column}

    def maybe_labels(self, value: Any, name: str) -> dict[str, Any] | None:
        """Labels that may be absent."""
        return None if value is None else self.labels(value, name)

    def tables(self, values: Any, name: str) -> list[str]:
        """Tables: files, data frames, or dictionaries of columns; several in a list or a dictionary."""
        many = isinstance(values, Mapping) and any(isinstance(v, (str, os.PathLike, Dataset)) or is_table(v) for v in values.values())
        if many:
            listed = [(str(key), value) for key, value in values.items()]
        elif isinstance(values, (list, tuple)):
            listed = [(stem(value) or f"{name}{i + 1}", value) for i, value in enumerate(values)]
        else:
            listed = [(stem(values) or name, values)]
        return [self._put(key, self._opened(value) or of_table(value, key)) for key, value in listed]

    def images(self, value: Any, name: str = "images") -> str:
        """A folder, an archive, a list of image files, or an array."""
        if isinstance(value, (list, tuple)) and value and all(isinstance(v, (str, os.PathLike)) for v in value):
            return self._put(name, of_images(value, name))
        return self.array(value, name)


class Analyses(Generic[R]):
    """Every analysis as a method; what a method gives depends on who has it.

    A :class:`~eigenscope.Client` waits and gives a :class:`~eigenscope.Result`, ``client.submit`` gives a
    :class:`~eigenscope.Job` at once, and ``eigenscope.request`` gives the spec with its inputs.
    """

    def _do(self, request: Request, options: Options) -> R:
        raise NotImplementedError

    def _start(self, spec: dict[str, Any], inputs: Inputs, options: Any) -> R:
        known = ("device", "progress", "timeout_secs")
        for name in options:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"; is {near[0]!r} meant?" if near else ""
                raise TypeError(f"{spec['kind']}() has no argument {name!r}{hint}")
        return self._do(Request(spec, inputs.sources), options)

    def run(self, spec: Mapping[str, Any], inputs: Mapping[str, Source] | None = None, **options: Unpack[Options]) -> R:
        """Runs any spec, also of an analysis that this package does not know yet.

        Parameters
        ----------
        spec : mapping
            The analysis as JSON: ``{"kind": "rdm", "input": "X", "measure": "euclidean"}``; fields that are left out have their defaults.
        inputs : mapping of str to array, table, path or Dataset
            What the names in the spec stand for. Text, data frames and dictionaries of columns are sent as tables.

        Raises
        ------
        InvalidRequest
            When the spec has another form, or names and inputs do not fit.
        """
        collected = Inputs()
        for name, value in (inputs or {}).items():
            opened = collected._opened(value)
            if opened is None:
                if is_table(value):
                    opened = of_table(value, name)
                elif isinstance(value, Labels) or np.asarray(value).dtype.kind in "US":
                    opened = of_labels(value, name)
                else:
                    opened = of_array(value, name)
            collected._put(name, opened)
        return self._start(dict(spec), collected, options)


def listed(values: Any) -> list[Any]:
    """A list of what may be one thing."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        return [values]
    return [v.item() if isinstance(v, np.generic) else v for v in values]


__all__ = ["Analyses", "Inputs", "Labels", "Many", "Options", "Request", "Source", "is_many", "listed"]
