"""Compress states to latents, and reconstruct them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import xarray as xr

from scionwood import RecipeError, find_run, load_run
from scionwood_pde import inference
from scionwood_pde.api.states import States, opened
from scionwood_pde.backbones import tadpole
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.model import Coder, SizeName
from scionwood_pde.readers.states import layout_of


def encode(
    states: States,
    latents: str | Path,
    *,
    run: str | Path | None = None,
    size: SizeName = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    fields: Sequence[str] | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> None:
    """Compress states to latents, whose sides are a 16th of the grid's, and write them as Zarr v3.

    Args:
        states: the states, or their file.
        latents: the folder to write.
        run: the run folder of an autoencoder that `scionwood fit` wrote. `None` means the model
            without an adapter, described by the next four options.
        size: size of that model.
        weights: weights of that model; see `backbones.tadpole`.
        tile: tile of that model in voxels. `None` means the whole domain.
        halo: halo of that model in voxels.
        fields: names of the channels to encode. `None` means all channels, or those of the run.
        device: where to compute, such as `cpu` or `cuda`.
        overwrite: replace an existing folder.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model.
        WeightsError: the weights are missing.
        OutputExistsError: `latents` exists and `overwrite` is false.
        WriteError: the folder cannot be written.

    Example:
        >>> encode(simulate(n=1, n_points=16, n_steps=1), "encoded.zarr")
    """
    scale = None if run is None else Normaliser.read(find_run(run))
    given = opened(states, fields or (scale and scale.fields))
    if scale is not None:
        scale = scale.of_fields([channel.name for channel in layout_of(given).channels])
    model = _autoencoder(run, size, weights, tile, halo)
    inference.encode(
        model, given, Path(latents), normaliser=scale, device=device, overwrite=overwrite
    )


def decode(
    latents: str | Path,
    *,
    run: str | Path | None = None,
    size: SizeName = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    device: str = "cpu",
) -> xr.DataArray:
    """Reconstruct states from latents with the model and the options that encoded them.

    Args:
        latents: the folder that `encode` wrote.
        run: see `encode`.
        size: see `encode`.
        weights: see `encode`.
        tile: see `encode`.
        halo: see `encode`.
        device: where to compute, such as `cpu` or `cuda`.

    Raises:
        ReadError: the folder is damaged, or holds no latents.
        RecipeError: another model encoded the latents.
        WeightsError: the weights are missing.

    Example:
        >>> encode(simulate(n=1, n_points=16, n_steps=1), "latents.zarr")
        >>> decode("latents.zarr").shape
        (1, 2, 3, 16, 16, 16)
    """
    model = _autoencoder(run, size, weights, tile, halo)
    return inference.decode(model, Path(latents), device=device)


def _autoencoder(
    run: str | Path | None, size: SizeName, weights: str, tile: int | None, halo: int
) -> Coder:
    """Return the autoencoder of a run, or a model without an adapter."""
    if run is not None:
        return cast(Coder, load_run(run).backbone)
    try:
        return tadpole(size=size, weights=weights, tile=tile, halo=halo)
    except ValueError as error:
        raise RecipeError(str(error)) from error
