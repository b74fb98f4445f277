"""Every analysis, from Python's arguments to a spec."""

from __future__ import annotations

from typing import TypeVar

from .base import Analyses, Inputs, Options, Request
from .learning import Learning
from .networks import Networks
from .populations import Populations
from .prediction import Prediction
from .rsa import Flexible, Rsa
from .shapes import Shapes

R = TypeVar("R", covariant=True)


class AllAnalyses(Populations[R], Rsa[R], Shapes[R], Prediction[R], Networks[R], Learning[R]):
    """All of them."""


KINDS = (
    "dimensionality",
    "manifolds",
    "rdm",
    "rdm_comparison",
    "rdm_pool",
    "embedding",
    "clustering",
    "searchlight",
    "tuning",
    "shape_distance",
    "stochastic_distance",
    "shape_average",
    "shape_path",
    "similarity",
    "encoding",
    "dimension_use",
    "variance_partition",
    "few_shot",
    "probe",
    "projection",
    "relation",
    "extraction",
    "layer_profile",
    "warp",
    "orientation",
    "dim_complexity",
)
"""The analyses that have a method; :meth:`Analyses.run` runs any spec."""

__all__ = ["KINDS", "AllAnalyses", "Analyses", "Flexible", "Inputs", "Options", "Request"]
