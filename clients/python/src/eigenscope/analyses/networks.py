"""Networks: activations of their layers, and layers against brains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Union

from .base import Analyses, Inputs, Options, R, Source, listed

if TYPE_CHECKING:
    from typing_extensions import Unpack

Resize = Union[str, int, None]
"""``stretch``, ``keep``, or the length of the shorter side before the center is cut out; ``None``: as the preset has it."""


def extraction_fields(inputs: Inputs, network: Source, images: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The fields of an extraction's spec from the arguments of :meth:`Networks.extraction`."""
    resize = given["resize"]
    plain = ("array", "reading", "preset", "skip_unreadable")
    return {
        "network": inputs.array(network, "network"),
        "images": inputs.images(images),
        "layers": listed(given["layers"]),
        **{key: given[key] for key in plain},
        "size": None if given["size"] is None else [int(n) for n in given["size"]],
        "resize": {"crop": resize} if isinstance(resize, int) else resize,
        "mean": None if given["mean"] is None else [float(v) for v in given["mean"]],
        "std": None if given["std"] is None else [float(v) for v in given["std"]],
    }


class Networks(Analyses[R]):
    """Networks are files: ONNX, or state dicts of PyTorch for built-in architectures."""

    def extraction(
        self,
        network: Source,
        images: Any,
        *,
        layers: str | Sequence[str] = ("outputs",),
        array: str = "values",
        reading: str = "full",
        preset: str = "imagenet",
        size: Sequence[int] | None = None,
        resize: Resize = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        skip_unreadable: bool = False,
        **options: Unpack[Options],
    ) -> R:
        """Activations of a network for images.

        Parameters
        ----------
        network : path or Dataset
            ``.onnx``, or ``.pth``, ``.pt``, ``.safetensors`` of a built-in architecture.
        images : folder, ``.zip``, list of image files, or array
            Images; or an array of values as the network wants them, images first (with ``array="images"``: n x height x width x 3 or
            n x 3 x height x width of integers from 0 to 255 or floats from 0 to 1).
        layers : list of str
            ``all``, ``outputs``, names of values, and names with ``*``.
        reading : str
            How positions are read: ``full``, ``avg`` or ``max``.
        preset : str
            What is done to images: ``imagenet``, ``stretch``, ``efficientnet_lite`` or ``unit``; ``size``, ``resize``, ``mean`` and ``std``
            instead of the preset's.
        skip_unreadable : bool
            Leave out images that cannot be read.

        Returns
        -------
        Result
            ``layers`` of ``{name, shape, values}`` (``values``: n x the product of the other axes), ``images``, ``left_out``. Use
            :func:`eigenscope.activations` for a dictionary of arrays in their shapes.

        Raises
        ------
        InvalidRequest
            For operators that are not known, layers that are not there (with those that are near), images that cannot be read.
        """
        given = {k: v for k, v in locals().items() if k not in ("self", "network", "images", "options")}
        inputs = Inputs()
        return self._start({"kind": "extraction", **extraction_fields(inputs, network, images, given)}, inputs, options)

    def layer_profile(
        self,
        network: Source,
        images: Any,
        *,
        layers: str | Sequence[str] = ("all",),
        array: str = "values",
        reading: str = "avg",
        preset: str = "imagenet",
        size: Sequence[int] | None = None,
        resize: Resize = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        skip_unreadable: bool = False,
        rdms: Source | None = None,
        measure: str = "correlation",
        compare: str = "spearman",
        targets: Source | None = None,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """A network's layers for images in one go: dimensionality, comparison with RDMs, encoding of responses.

        Parameters
        ----------
        network, images, layers, …
            As in :meth:`extraction`.
        rdms : array (K, K), (R, K, K) or (R, K (K - 1) / 2), optional
            RDMs of the same images, with which those of layers (``measure``) are compared (``compare``).
        targets : array (n_images, n_targets), optional
            Responses to the same images, which layers predict (ridge regression, ten shuffled folds).
        seed : int
            Of these folds.

        Returns
        -------
        Result
            ``layers`` of ``{name, n_features, effective_dimensionality, rsa, rsa_sem, encoding}``, ``noise_ceiling``, ``images``.

        Raises
        ------
        InvalidRequest
            As :meth:`extraction`, and when RDMs or responses are for another number of images.
        """
        mine = ("self", "network", "images", "options", "rdms", "measure", "compare", "targets", "seed")
        given = {k: v for k, v in locals().items() if k not in mine}
        inputs = Inputs()
        spec = {
            "kind": "layer_profile",
            "extraction": extraction_fields(inputs, network, images, given),
            "rdms": inputs.maybe(rdms, "rdms"),
            "measure": measure,
            "compare": compare,
            "targets": inputs.maybe(targets, "targets"),
            "seed": seed,
        }
        return self._start(spec, inputs, options)
