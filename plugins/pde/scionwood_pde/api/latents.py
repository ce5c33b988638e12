"""Compress states to latents, and reconstruct them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import xarray as xr

from scionwood import RecipeError, find_run, load_run
from scionwood_pde import inference
from scionwood_pde.api.states import States, check_apart, check_device, opened, stored
from scionwood_pde.backbones import Tadpole
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.model import Boundary, Coder, SizeName
from scionwood_pde.model.presets import STRIDE
from scionwood_pde.readers.layout import Layout
from scionwood_pde.readers.states import layout_of


def encode(
    states: States,
    latents: str | Path | None = None,
    *,
    run: str | Path | None = None,
    size: SizeName = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    at_once: int = 0,
    fields: Sequence[str] | None = None,
    dims: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> xr.Dataset:
    """Compress states to latents, whose sides are a 16th of the grid's, and write them as Zarr v3.

    With a tile, states are read and latents are written row by row of tiles, so that memory does
    not depend on the size of the domain. States may be backed by dask. If a client of
    `dask.distributed` is active, its workers compute the rows.

    Args:
        states: the states, or their file.
        latents: the folder to write. `None` keeps the latents in memory.
        run: the run folder of an autoencoder that `scionwood fit` wrote. `None` means the model
            without an adapter, described by the next four options.
        size: size of that model.
        weights: weights of that model; see `model.Tadpole`.
        tile: tile of that model in voxels. `None` means the whole domain.
        halo: halo of that model in voxels. If the states are periodic along all axes, the halo of
            the outer tiles holds the values of the opposite side.
        at_once: most tiles that pass through the network together. 0 means 8.
        fields: names of the channels to encode. `None` means all channels, or those of the run.
        dims: the dimension of a file for `sample`, `time`, `x`, `y` or `z`; see `open_states`.
        rename: new names of channels by their names in the file.
        device: where to compute, such as `cpu` or `cuda`.
        overwrite: replace an existing folder.

    Returns:
        The latents (sample, time, latent, i, j, k), with the mean and deviation of each field; in
        memory, or read from the folder when they are used.

    Raises:
        ReadError: the file is damaged, or lacks a field.
        RecipeError: the states do not fit the model, or `latents` is the file that is read.
        WeightsError: the weights are missing.
        OutputExistsError: `latents` exists and `overwrite` is false.
        WriteError: the folder cannot be written.

    Example:
        >>> encode(simulate(n=1, n_points=16, n_steps=1)).latents.shape
        (1, 2, 384, 1, 1, 1)
    """
    check_apart(states, latents)
    check_device(device)
    scale = None if run is None else Normaliser.read(find_run(run))
    given = opened(states, fields or (scale and scale.fields), dims=dims, rename=rename)
    if scale is not None:
        scale = scale.of_fields([channel.name for channel in layout_of(given).channels])
    boundary = _boundary(layout_of(given), tile)
    model = _autoencoder(run, size, weights, tile, halo, boundary, at_once)
    return inference.encode(
        model, given, latents, normaliser=scale, device=device, overwrite=overwrite
    )


def decode(
    latents: xr.Dataset | str | Path,
    *,
    run: str | Path | None = None,
    size: SizeName = "tiny",
    weights: str = "shipped",
    tile: int | None = None,
    halo: int = 0,
    at_once: int = 0,
    target: str | Path | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> xr.DataArray:
    """Reconstruct states from latents with the model and the options that encoded them.

    With a tile and a `target`, latents are read and states are written row by row of tiles, so that
    memory does not depend on the size of the domain.

    Args:
        latents: latents as `encode` returned them, or the folder that it wrote.
        run: see `encode`.
        size: see `encode`.
        weights: see `encode`.
        tile: see `encode`.
        halo: see `encode`.
        at_once: see `encode`.
        target: a file into which the states are written; see `write_states`. `None` means that
            they are kept in memory.
        device: where to compute, such as `cpu` or `cuda`.
        overwrite: replace an existing `target`.

    Returns:
        The states, in memory or read from `target`.

    Raises:
        ReadError: the folder is damaged, or holds no latents.
        RecipeError: another model encoded the latents, some of their states are missing, the suffix
            of `target` is unknown, or it is the folder that is read.
        WeightsError: the weights are missing.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the target cannot be written.

    Example:
        >>> decode(encode(simulate(n=1, n_points=16, n_steps=1))).shape
        (1, 2, 3, 16, 16, 16)
    """
    if isinstance(latents, str | Path):
        latents = inference.open_latents(latents)
    elif not inference.is_latents(latents):
        rule = "it is no dataset of latents"
        raise RecipeError("decode", rule, "Give what encode returned, or the folder that it wrote")
    found = latents
    check_apart(found.encoding.get("source"), target)
    check_device(device)
    boundary = inference.boundary_of(found)
    model = _autoencoder(run, size, weights, tile, halo, boundary, at_once)
    return stored(
        lambda put: inference.decode(model, found, put=put, device=device),
        target,
        inference.latents_layout(found),
        overwrite=overwrite,
    )


def _boundary(layout: Layout, tile: int | None) -> Boundary:
    """Return what lies beyond the domain: its other side if the file says so on all axes."""
    periodic = set(layout.boundary.values()) == {"periodic"}
    whole = all(side % STRIDE == 0 for side in layout.sides)
    return "periodic" if tile is not None and periodic and whole else "edge"


def _autoencoder(
    run: str | Path | None,
    size: SizeName,
    weights: str,
    tile: int | None,
    halo: int,
    boundary: Boundary,
    at_once: int,
) -> Coder:
    """Return the autoencoder of a run, or a model without an adapter."""
    if at_once < 0:
        raise RecipeError(f"at_once: {at_once}", "it is 1 or more, or 0 for 8", "Such as 4")
    if run is not None:
        model = cast(Coder, load_run(run).backbone)
        model.at_once = at_once or model.at_once
        return model
    try:
        return Tadpole(
            size=size, weights=weights, tile=tile, halo=halo, boundary=boundary, at_once=at_once
        )
    except ValueError as error:
        raise RecipeError(str(error)) from error
