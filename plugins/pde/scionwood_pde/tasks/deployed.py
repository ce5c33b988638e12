"""The form in which other programs run a model of states: normalised by the caller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from scionwood.authoring import Deployed, Normalisation, Signal
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.model.presets import STRIDE

SPACE = ("x", "y", "z")
STATE = ("batch", "field", *SPACE)
LABEL = Signal("label", ("batch",), "number of the equation, from 0")
CONDITIONS = Signal("conditions", ("batch", "condition"), "see the recipe, in their units")
UNIT = "zero mean and unit variance of each field"
NOISE = "normal noise of unit variance"
PADDING = {
    "edge": "repeat the outermost values at the far faces; cut the result back",
    "periodic": "continue with the values of the opposite face; cut the result back",
}


def deployed(backbone: nn.Module, folder: Path | None, *, given: str, made: str) -> Deployed:
    """Return a model for export; the mean and deviation of each field are in the sidecar.

    Args:
        backbone: a model of this plugin, with or without an adapter.
        folder: the run folder with the normaliser, or None.
        given: the name of the input: `state`, or `noise` in the shape of the latents.
        made: the name of the output.
    """
    network: Any = backbone
    tiling = network.tiling
    of_states = given != "noise"
    step = (tiling.tile or STRIDE) - 2 * tiling.halo if of_states else 1
    more = (CONDITIONS,) if getattr(network, "conditions", ()) else ()
    more = (*more, LABEL) if getattr(network, "labels", 0) else more
    return Deployed(
        backbone,
        network.example_input(),
        inputs=(
            Signal(given, STATE, UNIT if of_states else NOISE),
            *more,
        ),
        outputs=(Signal(made, STATE, UNIT),),
        dynamic=("batch",),
        multiples=dict.fromkeys(SPACE, step),
        padding=PADDING[tiling.boundary] if of_states else "",
        normalisation=_normalisation(folder, of_states),
    )


def _normalisation(folder: Path | None, of_states: bool) -> Normalisation:
    normaliser = None if folder is None else Normaliser.read(folder)
    moments = (
        "the means and standard deviations below" if normaliser else "its own mean and deviation"
    )
    names = ("fields", "mean", "std", "interval", "time_unit")
    return Normalisation(
        before=(f"Normalise each field with {moments}.",) if of_states else (),
        after=(f"Undo it: multiply each field by the deviation and add the mean, {moments}.",),
        numbers={name: getattr(normaliser, name) for name in names} if normaliser else {},
    )
