"""How rows are divided into training and held-out ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from ..sources import Source
from .base import Inputs


@dataclass(frozen=True)
class KFold:
    """Contiguous folds, the first ``n % k`` with one row more; or shuffled by numpy's legacy generator."""

    k: int = 10
    shuffle: bool = False
    seed: int = 0

    def spec(self, _: Inputs) -> dict[str, Any]:
        return {"scheme": "kfold", "k": self.k, "shuffle": self.shuffle, "seed": self.seed}


@dataclass(frozen=True)
class ShuffleSplit:
    """Independent random splits."""

    n_splits: int = 10
    train_fraction: float = 0.9
    seed: int = 0

    def spec(self, _: Inputs) -> dict[str, Any]:
        return {"scheme": "shuffle_split", "n_splits": self.n_splits, "train_fraction": self.train_fraction, "seed": self.seed}


@dataclass(frozen=True)
class StratifiedKFold:
    """Folds that hold out about the same share of every class."""

    labels: Any
    k: int = 10

    def spec(self, inputs: Inputs) -> dict[str, Any]:
        return {"scheme": "stratified_kfold", "k": self.k, "labels": inputs.labels(self.labels, "classes")}


@dataclass(frozen=True)
class StratifiedShuffleSplit:
    """Random splits that hold out about the same share of every class."""

    labels: Any
    n_splits: int = 10
    train_fraction: float = 0.9
    seed: int = 0

    def spec(self, inputs: Inputs) -> dict[str, Any]:
        labels = inputs.labels(self.labels, "classes")
        n_splits, train_fraction, seed = self.n_splits, self.train_fraction, self.seed
        return {"scheme": "stratified_shuffle", "n_splits": n_splits, "train_fraction": train_fraction, "seed": seed, "labels": labels}


@dataclass(frozen=True)
class GroupKFold:
    """Folds that keep all rows of a group together; without ``k`` one for each group."""

    groups: Any
    k: int | None = None

    def spec(self, inputs: Inputs) -> dict[str, Any]:
        return {"scheme": "group", "k": self.k, "labels": inputs.labels(self.groups, "groups")}


@dataclass(frozen=True)
class Contiguous:
    """One split in the order of the rows: the first to train on, then some that are not used, the rest held out."""

    train_fraction: float
    validation_fraction: float = 0.0

    def spec(self, _: Inputs) -> dict[str, Any]:
        return {"scheme": "contiguous", "train_fraction": self.train_fraction, "validation_fraction": self.validation_fraction}


@dataclass(frozen=True)
class Folds:
    """Given folds: one integer per row, the fold that holds it out."""

    folds: Source

    def spec(self, inputs: Inputs) -> dict[str, Any]:
        return {"scheme": "folds", "input": inputs.array(self.folds, "folds")}


Split = Union[KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit, GroupKFold, Contiguous, Folds]
"""A scheme of this module."""

Cv = Union[Split, int, Source]
"""A scheme; a number of contiguous folds; or one fold index per row."""


def cv_spec(cv: Cv | dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    """The splits as the server reads them; a dictionary is taken as it is."""
    if isinstance(cv, dict):
        return cv
    if isinstance(cv, (int, np.integer)) and not isinstance(cv, bool):
        return KFold(int(cv)).spec(inputs)
    if hasattr(cv, "spec"):
        return dict(cv.spec(inputs))
    return Folds(cv).spec(inputs)
