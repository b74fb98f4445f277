"""What the estimators have in common."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from .client import Client
from .datasets import Dataset
from .server import default_client


class Estimator:
    """Parameters by name, as scikit-learn's ``clone``, ``Pipeline`` and searches over grids expect them."""

    _kind = "transformer"
    client: Client | None

    @classmethod
    def _names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters that it was made with."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Any:
        """Changes parameters; gives the estimator.

        Raises
        ------
        ValueError
            For a name that is none.
        """
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has: {', '.join(self._names())}")
            setattr(self, name, value)
        return self

    @property
    def _server(self) -> Client:
        client: Client | None = getattr(self, "client", None)
        return client or default_client()

    def _fitted(self, name: str) -> Any:
        if not hasattr(self, name):
            raise AttributeError(f"this {type(self).__name__} is not fitted yet; call fit first")
        return getattr(self, name)

    def __sklearn_is_fitted__(self) -> bool:
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags, TransformerTags

        kind = self._kind
        return Tags(
            estimator_type=None if kind == "transformer" else kind,
            target_tags=TargetTags(required=kind in ("classifier", "regressor"), multi_output=kind == "regressor"),
            transformer_tags=TransformerTags() if kind == "transformer" else None,
            classifier_tags=ClassifierTags() if kind == "classifier" else None,
            regressor_tags=RegressorTags() if kind == "regressor" else None,
        )

    def __repr__(self) -> str:
        defaults = {name: p.default for name, p in inspect.signature(type(self).__init__).parameters.items()}
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if name != "client" and value is not defaults[name] and not same(value, defaults[name])
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __getstate__(self) -> dict[str, Any]:
        # A client is an address with a token: it does not belong into a saved file.
        return {name: value for name, value in vars(self).items() if name != "client"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if "client" in self._names():
            self.client = None


def same(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except ValueError:
        return False


def matrix(value: Any, name: str, as_column: bool = False) -> np.ndarray:
    """Rows and columns; with ``as_column`` a vector is one column."""
    if isinstance(value, Dataset):
        value = value.numpy()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: numbers are needed, not {array.dtype}")
    if array.ndim == 1 and as_column:
        return array[:, None]
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}; it needs rows and columns")
    return array
