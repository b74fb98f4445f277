"""How rows are divided into training and held-out ones: the ``cv`` of encoding models, probes and the like."""

from .analyses.splits import Contiguous, Folds, GroupKFold, KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

__all__ = ["Contiguous", "Folds", "GroupKFold", "KFold", "ShuffleSplit", "StratifiedKFold", "StratifiedShuffleSplit"]
