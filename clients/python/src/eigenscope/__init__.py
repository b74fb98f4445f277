"""Eigenscope: measure, compare and predict the representations of brains and deep networks.

Every analysis of an Eigenscope server is a function of this package and a method of a :class:`Client`: numpy arrays go in, numpy
arrays come out. Without ``EIGENSCOPE_URL`` the first call starts a server of its own, which ends with Python.

>>> import eigenscope as es
>>> es.dimensionality(X).effective_dimensionality  # doctest: +SKIP
"""

from __future__ import annotations

from . import estimators, splits
from ._functions import (
    clustering,
    dim_complexity,
    dimension_use,
    dimensionality,
    embedding,
    encoding,
    extraction,
    few_shot,
    layer_profile,
    manifolds,
    orientation,
    probe,
    projection,
    rdm,
    rdm_comparison,
    rdm_pool,
    relation,
    rsa,
    run,
    searchlight,
    shape_average,
    shape_distance,
    shape_path,
    similarity,
    stochastic_distance,
    tuning,
    upload,
    variance_partition,
    warp,
)
from .analyses import KINDS, Flexible, Request
from .client import Client, Requester, activations
from .datasets import Dataset
from .errors import (
    ApiError,
    Busy,
    Conflict,
    EigenscopeError,
    InvalidRequest,
    JobCanceled,
    NotFound,
    ResultWarning,
    ServerUnreachable,
    Unauthorized,
)
from .jobs import Job
from .result import Record, Result, load
from .server import LocalServer, connect, default_client, use
from .sources import Labels

__version__ = "0.1.0"

request = Requester()
"""The analyses as requests: ``request.rdm(X).spec`` is what ``eigenscope run`` reads."""

__all__ = [
    "KINDS",
    "ApiError",
    "Busy",
    "Client",
    "Conflict",
    "Dataset",
    "EigenscopeError",
    "Flexible",
    "InvalidRequest",
    "Job",
    "JobCanceled",
    "Labels",
    "LocalServer",
    "NotFound",
    "Record",
    "Request",
    "Result",
    "ResultWarning",
    "ServerUnreachable",
    "Unauthorized",
    "activations",
    "clustering",
    "connect",
    "default_client",
    "dim_complexity",
    "dimension_use",
    "dimensionality",
    "embedding",
    "encoding",
    "estimators",
    "extraction",
    "few_shot",
    "layer_profile",
    "load",
    "manifolds",
    "orientation",
    "probe",
    "projection",
    "rdm",
    "rdm_comparison",
    "rdm_pool",
    "relation",
    "request",
    "rsa",
    "run",
    "searchlight",
    "shape_average",
    "shape_distance",
    "shape_path",
    "similarity",
    "splits",
    "stochastic_distance",
    "tuning",
    "upload",
    "use",
    "variance_partition",
    "warp",
]
