"""Reconstruct states from latents: `scionwood pde decode`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from scionwood import RecipeError
from scionwood_pde.verbs.options import DecodeOptions, Target

if TYPE_CHECKING:
    import xarray as xr

    Latents: TypeAlias = xr.Dataset | str | Path
else:
    from scionwood.authoring import InputPath as Latents


def decode(
    latents: Latents,
    states: Target = None,
    options: DecodeOptions = DecodeOptions(),
    *,
    force: bool = False,
) -> xr.DataArray:
    """Reconstruct states from latents with the model and the options that encoded them.

    With a tile and a file to write, latents are read and states are written row by row of tiles, so
    that memory does not depend on the size of the domain.

    Args:
        latents: the folder that `encode` wrote; in Python also what it returned.
        states: the file to write; its suffix selects the format, see `simulate`. In Python `None`
            keeps the states in memory.
        options: the autoencoder, as for `encode`.
        force: replace an existing file.

    Returns:
        The states, in memory or read from the file; arrays of dask if the latents are such.

    Raises:
        ReadError: the folder is damaged, or holds no latents.
        RecipeError: another model encoded the latents, they are a part of the domain, the suffix is
            unknown, or `states` is the folder that is read.
        WeightsError: the weights are missing.
        OutputExistsError: the file exists and `force` is false.
        WriteError: the file cannot be written.

    Example:
        >>> decode(encode(simulate(n=1, n_points=16, n_steps=1))).shape
        (1, 2, 3, 16, 16, 16)
    """
    from scionwood_pde.readers.files import check_apart, open_states
    from scionwood_pde.readers.write import one_by_one, save_states, writer_for

    check_apart(latents, states)
    if states is not None:
        writer_for(states)  # a wrong suffix is refused before torch is imported
    from scionwood.authoring import reading
    from scionwood_pde import inference
    from scionwood_pde.verbs.coder import coder_of

    if isinstance(latents, str | Path):
        latents = inference.open_latents(latents)
    elif not inference.is_latents(latents):
        rule = "it is no dataset of latents"
        raise RecipeError("decode", rule, "Give what encode returned, or the folder that it wrote")
    dataset = latents
    check_apart(dataset.encoding.get("source"), states)
    inference.check_device(options.device)
    model = coder_of(options, inference.boundary_of(dataset))
    decoded = inference.decode(model, dataset, device=options.device)
    with reading(inference.source_of(dataset), "latents"):
        if states is not None:
            save_states(decoded, states, overwrite=force)
            return open_states(states)
        if dataset["latents"].chunks:
            return decoded
        with one_by_one():
            return decoded.compute()
