"""Encode states to latents, and decode them, whole or row by row of tiles.

Latents are normalised by the moments of each state, as in the online training, or by those of the
run. Both directions give arrays of dask, which are computed when they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import xarray as xr
from dask.array import Array
from torch import Tensor

from scionwood import ReadError, RecipeError
from scionwood.authoring import atomic_folder, reading, writing
from scionwood_pde.data.normaliser import SMALLEST, SMALLEST_DOUBLE, Normaliser
from scionwood_pde.model.presets import STRIDE
from scionwood_pde.model.rows import in_rows
from scionwood_pde.model.tiles import Boundary, TileLayout
from scionwood_pde.readers.labels import Labels
from scionwood_pde.readers.layout import AXES, Channel, Layout
from scionwood_pde.readers.states import DASK, chunked, labelled, layout_of
from scionwood_pde.readers.write import one_by_one

FORMAT = "latents"
DIMS = ("sample", "time", "channel", "latent", "i", "j", "k")


def encode(
    model: Any,
    states: xr.DataArray,
    target: str | Path | None = None,
    *,
    normaliser: Normaliser | None = None,
    labels: Labels | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> xr.Dataset:
    """Encode states to the means of their latents.

    The result holds `latents` (sample, time, channel, latent, i, j, k), and the `mean` and
    `deviation` that normalised the states. The coordinates `i`, `j`, `k` are the middles of cells.

    Args:
        model: a model with `encoder`, `tiling` and a `card`, such as Tadpole.
        states: states as `readers.states` defines them, in three dimensions.
        target: the folder of Zarr v3. `None` means memory, or arrays of dask as the states are.
        normaliser: the normaliser of the fields. `None` means the mean and deviation of each state.
        labels: how the dataset that holds the states names and describes them.
        device: where to compute.
        overwrite: replace an existing folder.

    Raises:
        RecipeError: the sides do not fit the model.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the disk is full.
    """
    model = model.to(device).eval()
    layout = layout_of(states)
    tiles = _tiles(model, layout.sides)
    cells, width = tiles.latent(), model.shape.latent_channels
    # Chunks of rows, so that a part of a file is read once for all tiles that share it.
    rows = states if states.chunks else chunked(states, [*tiles.steps[:-1], tiles.sides[-1]])
    moments = _moments_of(rows.data, normaliser, layout)
    if target is not None or not states.chunks:
        # In a pass of its own: else a state would wait in memory for its moments.
        with one_by_one():
            moments = [DASK.from_array(np.asarray(part)) for part in moments]
    x = _normal(rows.data, moments, layout)
    latents = in_rows(
        partial(_means, model),
        x[:, :, :, None],
        tiles,
        cells,
        width=width,
        at_once=model.at_once,
        device=device,
    )
    dataset = xr.Dataset(
        {
            "latents": (DIMS, latents),
            "mean": (DIMS[:3], moments[0]),
            "deviation": (DIMS[:3], moments[1]),
        },
        _coords(layout, cells),
        {"states": layout.card(), "model": dict(model.card)},
    )
    dataset = dataset if labels is None else labels.on_latents(dataset)
    if target is None:
        with one_by_one():
            return dataset if states.chunks else dataset.compute()
    chunks = (1, 1, 1, width, *cells.steps[:-1], cells.sides[-1])
    places = {"latents": {"chunks": chunks[len(DIMS) - dataset["latents"].ndim :]}}
    with writing(target), atomic_folder(target, overwrite=overwrite) as folder, one_by_one():
        options: Any = {"zarr_format": 3, "consolidated": False, "safe_chunks": False}
        dataset.drop_encoding().to_zarr(folder, mode="w", encoding=places, **options)
    return open_latents(target)


def _coords(layout: Layout, cells: TileLayout) -> dict[str, Any]:
    """Return the names of the channels, the times, and the middles of the latent cells."""
    coords: dict[str, Any] = {
        "channel": np.array([channel.name for channel in layout.channels], object),
        "unit": ("channel", np.array([channel.unit for channel in layout.channels], object)),
        "time": ("time", layout.times, {"units": layout.units["time"]}),
    }
    for cell, axis, side in zip("ijk", AXES, cells.sides, strict=True):
        voxels = STRIDE * np.arange(side) + (STRIDE - 1) / 2
        places = layout.coords[axis][0] + layout.spacing()[axis] * voxels
        coords[cell] = (cell, places, {"units": layout.units[axis], "axis": axis.upper()})
    return coords


def decode(model: Any, latents: xr.Dataset, *, device: str = "cpu") -> xr.DataArray:
    """Decode latents that `encode` made.

    Args:
        model: the model that encoded them, with `decoder`, `tiling` and a `card`.
        latents: the latents, as `encode` or `open_latents` returned them, or some of their samples,
            times and channels.
        device: where to compute.

    Returns:
        The states as arrays of dask.

    Raises:
        ReadError: the folder of the latents is damaged.
        RecipeError: another model encoded the latents, or they are a part of the domain.
    """
    layout, source = latents_layout(latents), source_of(latents)
    _check_model(source, dict(latents.attrs["model"]), dict(model.card))
    model = model.to(device).eval()
    tiles = _tiles(model, layout.sides)
    cells = tiles.latent()
    canonical = _canonical(latents)
    sizes = {dim: canonical.sizes[dim] for dim in DIMS[4:]}
    if tuple(sizes.values()) != cells.sides:
        rule = f"its latents have {tuple(sizes.values())} cells; those of its states {cells.sides}"
        raise RecipeError(source, rule, "Decode all, and choose from the result")
    stored = canonical["latents"].transpose(*DIMS)
    if not stored.chunks:
        rows = dict(zip(DIMS[4:6], cells.steps[:-1], strict=True))
        stored = stored.chunk({**dict.fromkeys(DIMS[:3], 1), **rows}, lock=True, token=uuid4().hex)
    moments = [
        canonical[name].transpose(*DIMS[:3]).data[..., None, None, None].astype(layout.dtype)
        for name in ("deviation", "mean")
    ]
    fields = in_rows(
        model.decoder,
        stored.data.astype(np.float32),
        cells,
        tiles,
        width=1,
        at_once=model.at_once,
        device=device,
    )
    values = (fields[:, :, :, 0] * moments[0] + moments[1]).astype(layout.dtype)
    return labelled(values, layout)


def open_latents(source: str | Path) -> xr.Dataset:
    """Return the latents of a folder that `encode` wrote; values are read when they are used.

    Raises:
        ReadError: the folder holds no latents, or is damaged.
    """
    strange = ReadError(str(source), "it holds no latents", "Give the folder that encode wrote")
    if Path(source).exists() and not (Path(source) / "zarr.json").exists():
        raise strange
    with reading(source, FORMAT):
        options: Any = {"consolidated": False, "chunks": None, "decode_times": False}
        latents: xr.Dataset = xr.open_zarr(source, **options)
    if not is_latents(latents):
        raise strange
    # Those of a file have its times as numbers, and those of a dataset its dates.
    return xr.decode_cf(latents) if "labels" in latents.attrs else latents


def is_latents(data: xr.Dataset | xr.DataArray) -> bool:
    """Return whether a dataset is one of latents."""
    parts = isinstance(data, xr.Dataset) and {"latents", "mean", "deviation"} <= set(data)
    return parts and {"states", "model"} <= set(data.attrs) and "k" in data["latents"].dims


def latents_layout(latents: xr.Dataset) -> Layout:
    """Return the layout of the states whose latents a dataset holds.

    Raises:
        ReadError: the description of the states is damaged.
    """
    with reading(source_of(latents), FORMAT):
        card = dict(latents.attrs["states"])
        layout = Layout.of_card(card)
        canonical = _canonical(latents)
        names = [str(name) for name in np.atleast_1d(canonical["channel"].values)]
        axes = ("sample", "time", *layout.axes)
        channels = tuple(Channel(name, card["channels"][name], name, axes) for name in names)
        times = np.atleast_1d(canonical["time"].values).astype(np.float64)
        return replace(layout, samples=canonical.sizes["sample"], times=times, channels=channels)


def boundary_of(latents: xr.Dataset) -> Boundary:
    """Return the boundary of the model that encoded latents."""
    tiles = str(latents.attrs["model"].get("tiles", ""))
    return "periodic" if tiles.endswith("boundary periodic") else "edge"


def source_of(latents: xr.Dataset) -> str:
    """Return the folder of latents, as messages name it."""
    return str(latents.encoding.get("source", "latents in memory"))


def _canonical(latents: xr.Dataset) -> xr.Dataset:
    """Return latents over `DIMS`, whatever the dataset calls samples and times."""
    labels = Labels.of_latents(latents)
    canonical = latents if labels is None else labels.canonical(latents)
    lacking = [dim for dim in DIMS[:3] if dim not in canonical.dims]
    return canonical.expand_dims(lacking) if lacking else canonical


def _tiles(model: Any, sides: tuple[int, ...]) -> TileLayout:
    """Return the tiles of a domain.

    Raises:
        RecipeError: the sides do not fit the model.
    """
    if len(sides) != len(AXES):
        rule = f"states of {len(sides)} space axes; the model has {len(AXES)}"
        raise RecipeError("states", rule, "Repeat them along the lacking axes")
    try:
        tiles: TileLayout = model.tiling.layout(sides)
    except ValueError as error:
        raise RecipeError(f"states of sides {sides}", str(error)) from error
    return tiles


def _moments_of(data: Array, normaliser: Normaliser | None, layout: Layout) -> list[Array]:
    """Return the mean and the deviation of each field of each state, or those of a run."""
    if normaliser is not None:
        of_run = (np.asarray(normaliser.mean), np.asarray(normaliser.std))
        return [DASK.from_array(np.broadcast_to(part, data.shape[:3])) for part in of_run]
    smallest = SMALLEST_DOUBLE if layout.dtype == np.float64 else SMALLEST
    mean, std = _measured(data)
    return [mean, DASK.where(std > smallest * np.hypot(mean, std), std, 1.0)]


def _normal(data: Array, moments: Sequence[Array], layout: Layout) -> Array:
    """Return fields of about zero mean and unit variance."""
    mean, std = (m[..., None, None, None].astype(layout.dtype) for m in moments)
    # In the precision of the file: the difference from a large mean is taken before rounding.
    scaled: Array = ((data - mean) / std).astype(np.float32)
    return scaled


def _measured(data: Array) -> tuple[Array, Array]:
    """Return mean and deviation, combined from chunks as Chan, Golub and LeVeque (1979) do."""
    counts = [(1,) * len(chunks) for chunks in data.chunks[3:]]
    parts = DASK.map_blocks(
        _moments,
        data,
        new_axis=data.ndim,
        chunks=(*data.chunks[:3], *counts, (3,)),
        dtype=np.float64,
        meta=np.empty((0,) * (data.ndim + 1)),
    )
    axes = tuple(range(3, data.ndim))
    points, means, squares = (parts[..., i] for i in range(3))
    total = points.sum(axes)
    mean = (points * means).sum(axes) / total
    shift = means - mean[..., None, None, None]
    return mean, DASK.sqrt((squares + points * shift**2).sum(axes) / total)


def _moments(block: np.ndarray) -> np.ndarray:
    """Return the number of points, their mean and the sum of squares around it."""
    axes = tuple(range(3, block.ndim))
    mean = block.mean(axes, dtype=np.float64, keepdims=True)
    squares = np.square(block - mean).sum(axes, keepdims=True)
    return np.stack([np.full_like(mean, np.prod(block.shape[3:])), mean, squares], -1)


def _check_model(source: str | Path, encoder: dict[str, Any], model: dict[str, Any]) -> None:
    """Check that the card of the model equals the card stored with the latents."""
    keys = encoder.keys() | model.keys()
    differs = sorted(key for key in keys if encoder.get(key) != model.get(key))
    if differs:
        pairs = [f"{key}: {encoder.get(key)} here, {model.get(key)} now" for key in differs]
        rule = f"its latents were encoded by another model ({', '.join(pairs)})"
        raise RecipeError(str(source), rule, "Use the run or the options of `encode`")


def _means(model: Any, x: Tensor) -> Any:
    return model.encoder(x).mean
