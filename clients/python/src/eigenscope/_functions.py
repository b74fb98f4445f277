"""The methods of a client as functions on the default client."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from .client import Client
from .server import default_client

if TYPE_CHECKING:
    from typing import Concatenate

    from typing_extensions import ParamSpec

    P = ParamSpec("P")
T = TypeVar("T")


def _function(method: Callable[Concatenate[Client, P], T]) -> Callable[P, T]:
    @functools.wraps(method)
    def function(*args: P.args, **kwargs: P.kwargs) -> T:
        return method(default_client(), *args, **kwargs)

    function.__module__ = "eigenscope"
    function.__qualname__ = method.__name__
    return function


dimensionality = _function(Client.dimensionality)
manifolds = _function(Client.manifolds)
rdm = _function(Client.rdm)
rdm_comparison = _function(Client.rdm_comparison)
rdm_pool = _function(Client.rdm_pool)
embedding = _function(Client.embedding)
clustering = _function(Client.clustering)
searchlight = _function(Client.searchlight)
tuning = _function(Client.tuning)
shape_distance = _function(Client.shape_distance)
stochastic_distance = _function(Client.stochastic_distance)
shape_average = _function(Client.shape_average)
shape_path = _function(Client.shape_path)
similarity = _function(Client.similarity)
encoding = _function(Client.encoding)
dimension_use = _function(Client.dimension_use)
variance_partition = _function(Client.variance_partition)
few_shot = _function(Client.few_shot)
probe = _function(Client.probe)
projection = _function(Client.projection)
relation = _function(Client.relation)
extraction = _function(Client.extraction)
layer_profile = _function(Client.layer_profile)
warp = _function(Client.warp)
orientation = _function(Client.orientation)
dim_complexity = _function(Client.dim_complexity)
run = _function(Client.run)
upload = _function(Client.upload)
rsa = rdm_comparison
