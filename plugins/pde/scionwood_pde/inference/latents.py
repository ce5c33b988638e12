"""Encode states to latents, and decode them, whole or row by row of tiles.

Latents are normalised by the mean and the standard deviation of each state, as in the online
training, or by those of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
import zarr
from zarr.storage import MemoryStore

from scionwood import ReadError, RecipeError
from scionwood.authoring import atomic_folder, reading, writing
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.inference.states import fitting, in_memory, normaliser_of, tensor_of
from scionwood_pde.model.streaming import Places, decode_field, encode_field
from scionwood_pde.model.tiles import Boundary
from scionwood_pde.readers.card import from_card, to_card
from scionwood_pde.readers.layout import AXES, Layout
from scionwood_pde.readers.regions import Put
from scionwood_pde.readers.states import labelled, layout_of

FORMAT = "latents"


@torch.no_grad()
def encode(
    model: Any,
    states: xr.DataArray,
    target: str | Path | None,
    *,
    normaliser: Normaliser | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> xr.Dataset:
    """Encode states, and write the means of their latents as Zarr v3.

    The result holds `latents` (sample, time, latent, i, j, k), and the `mean` and `deviation` that
    normalised the states, (sample, time, channel). Its attributes describe states and model.

    Args:
        model: a model with `encode` and a `card`, such as Tadpole.
        states: states as `readers.states` defines them, in three dimensions.
        target: the folder to write. `None` keeps the latents in memory.
        normaliser: the normaliser of the fields. `None` means the mean and deviation of each state.
        device: where to compute.
        overwrite: replace an existing folder.

    Returns:
        The latents, in memory or read from the folder when they are used.

    Raises:
        RecipeError: the sides do not fit the model.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the disk is full.
    """
    model = model.to(device).eval()
    if target is None:
        store = MemoryStore()
        _encode(model, states, store, normaliser, device)
        dataset: xr.Dataset = xr.open_zarr(store, consolidated=False, chunks=None)
        return dataset.load()
    with writing(target), atomic_folder(target, overwrite=overwrite) as folder:
        _encode(model, states, folder, normaliser, device)
    return open_latents(target)


@torch.no_grad()
def decode(
    model: Any, latents: xr.Dataset, *, put: Put | None = None, device: str = "cpu"
) -> xr.DataArray | None:
    """Decode latents that `encode` made.

    Args:
        model: the model that encoded them, with `decode` and a `card`.
        latents: the latents, as `encode` or `open_latents` returned them.
        put: stores a part of the states; then memory holds a row of tiles at a time. `None` means
            that the states are collected in memory.
        device: where to compute.

    Returns:
        The states in memory, or `None` if `put` stored them.

    Raises:
        ReadError: the folder of the latents is damaged.
        RecipeError: another model encoded the latents, or some of their states are missing.
    """
    layout, source = latents_layout(latents), _source(latents)
    _check_model(source, dict(latents.attrs["model"]), dict(model.card))
    model = model.to(device).eval()
    states, store = (None, put) if put is not None else in_memory(layout)
    for sample, time in np.ndindex(layout.samples, len(layout.times)):
        with reading(source, FORMAT):
            moments = [
                np.asarray(latents[name][sample, time], layout.dtype)
                for name in ("deviation", "mean")
            ]
            state_latents = latents["latents"][sample, time]
            if _in_rows(model):
                put_field = partial(store, sample, time)
                _decode_rows(model, state_latents, moments, layout.sides, put_field, device)
                continue
            z = torch.from_numpy(np.asarray(state_latents, np.float32)).to(device)
            state = model.decode(z[None], layout.sides)[0].cpu().numpy()
        for number, (field, deviation, mean) in enumerate(zip(state, *moments, strict=True)):
            everywhere = (slice(None),) * len(layout.sides)
            store(sample, time, number, everywhere, field * deviation + mean)
    return None if states is None else labelled(states, layout)


def open_latents(source: str | Path) -> xr.Dataset:
    """Return the latents of a folder that `encode` wrote; values are read when they are used.

    Raises:
        ReadError: the folder holds no latents, or is damaged.
    """
    strange = ReadError(str(source), "it holds no latents", "Give the folder that encode wrote")
    if Path(source).exists() and not (Path(source) / "zarr.json").exists():
        raise strange
    with reading(source, FORMAT):
        latents: xr.Dataset = xr.open_zarr(source, consolidated=False, chunks=None)
    if not is_latents(latents):
        raise strange
    return latents


def is_latents(data: xr.Dataset | xr.DataArray) -> bool:
    """Return whether a dataset is one of latents."""
    parts = isinstance(data, xr.Dataset) and {"latents", "mean", "deviation"} <= set(data)
    return parts and {"states", "model"} <= set(data.attrs)


def latents_layout(latents: xr.Dataset) -> Layout:
    """Return the layout of the states that were encoded.

    Raises:
        ReadError: the description of the states is damaged.
        RecipeError: some of the states are missing.
    """
    source = _source(latents)
    with reading(source, FORMAT):
        layout = from_card(latents.attrs["states"])
    shape = (layout.samples, len(layout.times), len(layout.channels))
    if latents["mean"].shape != shape:
        rule = f"its latents are those of (sample, time, channel) {shape}"
        value = f"{source}: {latents['mean'].shape} of them"
        raise RecipeError(value, rule, "Decode all, and choose from the result")
    return layout


def boundary_of(latents: xr.Dataset) -> Boundary:
    """Return the boundary of the model that encoded latents."""
    tiles = str(dict(latents.attrs["model"]).get("tiles", ""))
    return "periodic" if tiles.endswith("boundary periodic") else "edge"


def _source(latents: xr.Dataset) -> str:
    """Return the folder of latents, as messages name it."""
    return str(latents.encoding.get("source", "latents in memory"))


def _encode(
    model: Any,
    states: xr.DataArray,
    store: Path | MemoryStore,
    normaliser: Normaliser | None,
    device: str,
) -> None:
    layout = layout_of(states)
    group = zarr.open_group(store, mode="w", zarr_format=3)
    group.attrs.update(states=to_card(layout), model=dict(model.card))
    shape = (layout.samples, len(layout.times))
    moments = [
        group.create_array(
            name,
            shape=(*shape, len(layout.channels)),
            dtype=np.float64,
            dimension_names=("sample", "time", "channel"),
        )
        for name in ("mean", "deviation")
    ]
    latents = _empty_latents(group, model, layout)
    for sample, time in np.ndindex(shape):
        state = states[sample, time]
        scale = normaliser or normaliser_of(states[sample, time : time + 1])
        if _in_rows(model):
            _encode_rows(model, state, scale, (latents, sample, time), device)
        else:
            x = scale.apply(tensor_of(state, device)).float()
            z = fitting(lambda x: model.encode(x).mean, x)
            latents[sample, time] = z[0].cpu().numpy()
        for array, values in zip(moments, (scale.mean, scale.std), strict=True):
            array[sample, time] = np.asarray(values)


def _in_rows(model: Any) -> bool:
    """Return whether a model processes a domain row by row: if it cuts it into tiles."""
    return getattr(getattr(model, "tiling", None), "tile", None) is not None


def _empty_latents(group: Any, model: Any, layout: Layout) -> Any:
    """Create the array of latents, with a row of tiles of one field as a chunk.

    Raises:
        RecipeError: the sides do not fit the model.
    """
    if len(layout.sides) != len(AXES):
        rule = f"states of {len(layout.sides)} space axes; the model has {len(AXES)}"
        raise RecipeError("states", rule, "Repeat them along the lacking axes")
    try:
        tiles = model.tiling.layout(layout.sides)
    except ValueError as error:
        raise RecipeError(f"states of sides {layout.sides}", str(error)) from error
    cells, channels = tiles.latent(), model.shape.latent_channels
    steps = cells.steps[:-1] if _in_rows(model) else cells.sides[:-1]
    fields = 1 if _in_rows(model) else len(layout.channels)
    return group.create_array(
        "latents",
        shape=(layout.samples, len(layout.times), len(layout.channels) * channels, *cells.sides),
        chunks=(1, 1, fields * channels, *steps, cells.sides[-1]),
        dtype=np.float32,
        dimension_names=("sample", "time", "latent", "i", "j", "k"),
    )


def _encode_rows(
    model: Any, state: xr.DataArray, scale: Normaliser, target: tuple[Any, int, int], device: str
) -> None:
    """Encode a state field by field and row by row into an array of latents."""
    latents, sample, time = target
    width = model.shape.latent_channels
    for number, (mean, std) in enumerate(zip(scale.mean, scale.std, strict=True)):
        channels = slice(number * width, (number + 1) * width)

        def write(
            places: tuple[slice, ...], values: np.ndarray, channels: slice = channels
        ) -> None:
            latents[sample, time, channels, *places] = values

        def normal(x: np.ndarray, mean: float = mean, std: float = std) -> np.ndarray:
            x = x.astype(np.result_type(x, np.float32), copy=False)
            # In the precision of the file: the difference from a large mean is taken before
            # rounding.
            changed: np.ndarray = (x - x.dtype.type(mean)) / x.dtype.type(std)
            return changed.astype(np.float32, copy=False)

        field = state[number]
        encode_field(model, field, field.shape, write, change=normal, device=device)


def _decode_rows(
    model: Any,
    source: xr.DataArray,
    moments: Sequence[np.ndarray],
    sides: Sequence[int],
    put: Callable[[int, Places, np.ndarray], None],
    device: str,
) -> None:
    """Decode a state field by field and row by row, and store each row in its units."""
    width = model.shape.latent_channels
    for number, (deviation, mean) in enumerate(zip(*moments, strict=True)):
        channels = slice(number * width, (number + 1) * width)

        def read(places: Places, channels: slice = channels) -> np.ndarray:
            return np.asarray(source[channels, *places], np.float32)

        def write(
            places: Places,
            values: np.ndarray,
            number: int = number,
            deviation: np.floating[Any] = deviation,
            mean: np.floating[Any] = mean,
        ) -> None:
            put(number, places, values[0] * deviation + mean)

        decode_field(model, read, sides, write, device=device)


def _check_model(source: str | Path, encoder: dict[str, Any], model: dict[str, Any]) -> None:
    """Check that the card of the model equals the card stored with the latents."""
    keys = encoder.keys() | model.keys()
    differs = sorted(key for key in keys if encoder.get(key) != model.get(key))
    if differs:
        pairs = [f"{key}: {encoder.get(key)} here, {model.get(key)} now" for key in differs]
        rule = f"its latents were encoded by another model ({', '.join(pairs)})"
        raise RecipeError(str(source), rule, "Use the run or the options of `encode`")
