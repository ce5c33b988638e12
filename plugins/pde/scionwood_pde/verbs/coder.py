"""The autoencoder that the options of `encode` and `decode` describe."""

from __future__ import annotations

from typing import cast

from scionwood import RecipeError, load_run
from scionwood_pde.model import Boundary, Coder, Tadpole
from scionwood_pde.verbs.options import DecodeOptions


def coder_of(options: DecodeOptions, boundary: Boundary) -> Coder:
    """Return the autoencoder of a run, or a model without an adapter.

    Args:
        options: the run, or size, weights and tiles of the model.
        boundary: what lies beyond the domain, for a model without a run.

    Raises:
        RecipeError: a number does not fit the others.
        WeightsError: the weights are missing.
    """
    if options.at_once < 0:
        rule = "it is 1 or more, or 0 for 8"
        raise RecipeError(f"at_once: {options.at_once}", rule, "Such as 4")
    if options.run is not None:
        model = cast(Coder, load_run(options.run).backbone)
        model.at_once = options.at_once or model.at_once
        return model
    try:
        return Tadpole(
            size=options.size,
            weights=options.weights,
            tile=options.tile,
            halo=options.halo,
            boundary=boundary,
            at_once=options.at_once,
        )
    except ValueError as error:
        raise RecipeError(str(error)) from error
