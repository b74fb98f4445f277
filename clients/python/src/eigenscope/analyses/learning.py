"""Networks that learn: warped to brains along few dimensions, and the orientation model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from .base import Analyses, Inputs, Options, R, Source, listed
from .networks import Resize, extraction_fields

if TYPE_CHECKING:
    from typing_extensions import Unpack

Tagged = Union[str, Mapping[str, Any]]
"""A choice by its name (``"constant"``), or with a number (``{"exponential": 0.9}``)."""

DIMENSIONS = (0, 10, 23, 56, 133, 316, 749, 1778, 4216, 10_000)


class Learning(Analyses[R]):
    """Sweeps of warped networks, and a network that learns to tell orientations apart."""

    def warp(
        self,
        network: Source,
        images: Any,
        targets: Any,
        *,
        layers: str | Sequence[str] = ("outputs",),
        objective: str = "encoding",
        dims: Sequence[int] = DIMENSIONS,
        full: bool = False,
        seeds: Sequence[int] = (0,),
        groups: Sequence[Sequence[str]] = (),
        split: Mapping[str, Any] | None = None,
        lr: float = 1e-4,
        low_dim_lr: float | None = None,
        weight_decay: float = 0.0,
        schedule: Tagged = "constant",
        batch: int = 64,
        epochs: int = 100,
        patience: int = 3,
        min_delta: float | None = None,
        head: str = "free",
        start: Tagged = "random",
        target: Mapping[str, float] | None = None,
        reference: Tagged = "best",
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
        """A network warped to responses, classes or an RDM along random subspaces of its parameters, and how many dimensions that takes.

        Parameters
        ----------
        network, images, layers, …
            As in :meth:`extraction`; several layers are read out together. ``reading`` is ``full`` or ``avg``.
        targets : array
            For ``objective="encoding"`` responses (n_images, n_targets), for ``"classes"`` a label for each image, for ``"rsa"`` an RDM of
            the images.
        dims : list of int
            Numbers of dimensions; 0 trains the read-out alone. ``full`` also trains all parameters.
        seeds : list of int
            One sweep for each.
        groups : list of lists of str
            Prefixes of names of parameters that share a scaler (SAID); without any there are no scalers (DID).
        split : mapping, optional
            ``{"contiguous": [0.6, 0.2]}`` (the default: shares that train and validate), ``{"shuffled": [[0.6, 0.2], seed]}`` or
            ``{"stratified": [[0.6, 0.2], seed]}``.
        lr, low_dim_lr, weight_decay, schedule, batch, epochs, patience, min_delta, head, start
            How it is trained. ``schedule``: ``constant``, ``cosine`` or ``{"exponential": factor}``; ``head``: ``free``, ``frozen`` or
            ``warped``; ``start``: ``random``, ``{"fitted": penalty}``, ``{"pls": components}`` or ``trained``.
        target, reference
            The score that counts as reached: ``{"gain": 0.9}`` or ``{"absolute": 0.9}`` of the ``best`` score, of ``full`` training or of
            ``{"score": value}``.

        Returns
        -------
        Result
            ``points`` of ``{d, seed, test_r2, val_r2, epochs, best_epoch, seconds, losses, validations}`` (``test_accuracy`` and
            ``test_rsa`` for the other objectives) and ``curves`` of ``{dims, mean, sem, full, d_warp, d_warp_last, interval}``.

        Raises
        ------
        InvalidRequest
            For layers that depend on no parameter, settings that make no sense, targets of another number of images.
        """
        mine = ("layers", "array", "reading", "preset", "size", "resize", "mean", "std", "skip_unreadable")
        given = {k: v for k, v in locals().items() if k in mine}
        inputs = Inputs()
        extraction = extraction_fields(inputs, network, images, given)
        if objective == "classes":
            wanted: Any = inputs.labels(targets, "labels")
        elif objective in ("encoding", "rsa"):
            wanted = inputs.array(targets, "targets" if objective == "encoding" else "rdm")
        else:
            raise ValueError(f'objective is "encoding", "classes" or "rsa", not {objective!r}')
        spec = {
            "kind": "warp",
            "models": [{"extraction": extraction, "groups": [listed(group) for group in groups]}],
            "objectives": [{objective: wanted}],
            "dims": [int(d) for d in dims],
            "full": full,
            "seeds": [int(seed) for seed in seeds],
            "split": {"contiguous": [0.6, 0.2]} if split is None else dict(split),
            "training": {
                "lr": lr,
                "low_dim_lr": low_dim_lr,
                "weight_decay": weight_decay,
                "schedule": schedule,
                "batch": batch,
                "epochs": epochs,
                "patience": patience,
                "min_delta": min_delta,
                "head": head,
                "start": start,
            },
            "target": {"gain": 0.9} if target is None else dict(target),
            "reference": reference,
        }
        return self._start(spec, inputs, options)

    def orientation(
        self,
        responses: Source | None = None,
        stimuli: Any = None,
        *,
        architecture: str = "conv_pool_fc",
        filters: str = "handmade",
        seed: int = 0,
        epochs: int = 25,
        lr: float = 5e-4,
        momentum: float = 0.99,
        batch: int = 100,
        n_train: int = 1000,
        n_tuning: int = 3,
        perplexity: float = 30.0,
        **options: Unpack[Options],
    ) -> R:
        """A network that learns to tell orientations of gratings apart, and which of its layers is more like visual cortex.

        Parameters
        ----------
        responses : array (n_trials, n_neurons), optional
            A population; without it a simulated one with known tuning.
        stimuli : array (n_trials,), optional
            The direction of the grating of each trial in degrees, 0 to 360.
        architecture : str
            ``conv_pool_fc``, ``conv_fc`` or ``fc``; ``filters``: what the convolution begins with, ``handmade`` or ``random``.

        Returns
        -------
        Result
            ``losses`` and ``last_losses`` of each epoch, ``accuracy``, ``populations`` of ``{name, n_units, rdm, tuned, tuning, points}``
            (the brain, ``pool``, ``fc``) and ``comparisons`` of ``{layer, correlation, n_pairs}``.

        Raises
        ------
        InvalidRequest
            For settings that make no sense, and responses with fewer than 8 orientations.
        """
        inputs = Inputs()
        spec = {
            "kind": "orientation",
            "architecture": architecture,
            "filters": filters,
            "seed": seed,
            "epochs": epochs,
            "lr": lr,
            "momentum": momentum,
            "batch": batch,
            "n_train": n_train,
            "responses": inputs.maybe(responses, "responses"),
            "stimuli": {"input": "", "column": None} if stimuli is None else inputs.labels(stimuli, "stimuli"),
            "n_tuning": n_tuning,
            "perplexity": perplexity,
        }
        return self._start(spec, inputs, options)

    def dim_complexity(
        self,
        *,
        functions: Sequence[str] = ("square", "cube", "sine"),
        dims: Sequence[int] = (4, 6, 11, 20, 34, 58, 100),
        steps: int = 100_000,
        seed: int = 0,
        **options: Unpack[Options],
    ) -> R:
        """How many dimensions it takes to turn small networks of one function into sin(3 pi x / 4): a simulation.

        Parameters
        ----------
        functions : list of str
            What networks compute before: ``square``, ``cube`` or ``sine``.
        dims : list of int
            Numbers of dimensions, three scalers among them: at least 4.
        steps : int
            Steps of a fit, at most.

        Returns
        -------
        Result
            ``x``, ``target`` and ``rows`` of ``{function, before, loss, dims, after, losses, steps}``.

        Raises
        ------
        InvalidRequest
            For fewer than 4 dimensions.
        """
        spec = {"kind": "dim_complexity", "functions": listed(functions), "dims": [int(d) for d in dims], "steps": steps, "seed": seed}
        return self._start(spec, Inputs(), options)
