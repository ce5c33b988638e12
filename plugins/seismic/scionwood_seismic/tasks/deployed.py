"""The form in which other programs run a denoiser: one gather, scaled and padded by the caller."""

from __future__ import annotations

from typing import Any

from torch import nn

from scionwood.authoring import Deployed, Normalisation, Signal
from scionwood_seismic.data.normalise import QUANTILE

AXES = ("batch", "channel", "trace", "time")
SHAPE = (1, 256, 256)
"""The size of an exported denoiser by default: that of the tiles of `denoise`."""

UNIT = "amplitude divided by the scale of the gather"
PADDING = "repeat the last trace and the last sample; cut the result back"


def deployed(backbone: nn.Module) -> Deployed:
    """Return a denoiser for export; scaling and padding stay with the caller.

    Args:
        backbone: a denoiser of this plugin, with or without an adapter.
    """
    network: Any = backbone
    multiple = int(network.multiple)
    multiples = getattr(network, "multiples", {"trace": multiple, "time": multiple})
    return Deployed(
        backbone,
        network.example_input(),
        inputs=(Signal("noisy", AXES, UNIT),),
        outputs=(Signal("denoised", AXES, UNIT),),
        dynamic=("batch",),
        multiples=multiples,
        padding=PADDING,
        normalisation=Normalisation(
            before=(
                "Leave out the traces that are constant or have a value that is not finite.",
                "Clip the magnitudes of the others at their quantile; the RMS of the clipped "
                "magnitudes is the scale of the gather.",
                "Divide the gather by its scale.",
                *getattr(network, "preparation", ()),
            ),
            after=(
                "Multiply the result by the scale.",
                "Put the traces that were left out back as they were.",
            ),
            numbers={"quantile": QUANTILE},
        ),
        shape=getattr(network, "usual_shape", SHAPE),
    )
