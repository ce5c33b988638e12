"""The commands that compress states to latents, and reconstruct them."""

from __future__ import annotations

from typing import Literal

from scionwood.authoring import InputPath, OutputPath, RunPath
from scionwood_pde.cli.words import words_of


def encode(
    states: InputPath,
    latents: OutputPath,
    *,
    run: RunPath | None = None,
    size: Literal["tiny", "S", "B", "L"] = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    at_once: int = 8,
    fields: list[str] | None = None,
    dims: list[str] | None = None,
    rename: list[str] | None = None,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Compress states to latents, whose sides are a 16th of the grid's; write a Zarr v3 folder.

    Args:
        states: the file to read: Zarr, NetCDF, HDF5 of The Well or PDEBench.
        latents: the folder to write.
        run: the run folder of an autoencoder that `scionwood fit` wrote, whose normalisation is
            used if it has one; by default the model without an adapter.
        size: size of the model without an adapter.
        weights: weights of the model without an adapter; see `scionwood show pde/tadpole`.
        tile: tile of the model without an adapter, in voxels; by default the whole domain.
        halo: halo of the model without an adapter, in voxels.
        at_once: most tiles that pass through the network together, which bounds the memory.
        fields: names of the channels to encode; by default all.
        dims: dimensions of the file by their role, such as x=lon; roles are sample, time, x, y, z.
        rename: new names of channels, each as NAME=NEW.
        device: where to compute, such as cpu or cuda.
        force: replace an existing folder.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model.
        WeightsError: the weights are missing.
        OutputExistsError: the folder exists and `force` is false.
        WriteError: the folder cannot be written.
    """
    placing = {"dims": words_of(dims), "rename": words_of(rename)}  # before torch is imported
    from scionwood_pde import api

    api.encode(
        states,
        latents,
        run=run,
        size=size,
        weights=weights,
        tile=tile,
        halo=halo,
        at_once=at_once,
        fields=fields,
        **placing,
        device=device,
        overwrite=force,
    )


def decode(
    latents: InputPath,
    states: OutputPath,
    *,
    run: RunPath | None = None,
    size: Literal["tiny", "S", "B", "L"] = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    at_once: int = 8,
    device: str = "cpu",
    force: bool = False,
) -> None:
    """Reconstruct states from latents with the model and the options that encoded them.

    Args:
        latents: the folder that `encode` wrote.
        states: the file to write; its suffix selects the format, see `simulate`.
        run: the same as for `encode`.
        size: the same as for `encode`.
        weights: the same as for `encode`.
        tile: the same as for `encode`.
        halo: the same as for `encode`.
        at_once: most tiles that pass through the network together.
        device: where to compute, such as cpu or cuda.
        force: replace an existing file.

    Raises:
        ReadError: the folder is damaged, or holds no latents.
        RecipeError: another model encoded the latents, or the suffix is unknown.
        WeightsError: the weights are missing.
        OutputExistsError: the file exists and `force` is false.
        WriteError: the file cannot be written.
    """
    from scionwood_pde.readers.regions import regions_for

    regions_for(states)  # a wrong suffix is refused before torch is imported
    from scionwood_pde import api

    api.decode(
        latents,
        run=run,
        size=size,
        weights=weights,
        tile=tile,
        halo=halo,
        at_once=at_once,
        target=states,
        device=device,
        overwrite=force,
    )
