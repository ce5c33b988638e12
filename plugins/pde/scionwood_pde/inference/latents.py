"""Encode states to latents, and decode them, whole or row by row of tiles.

Latents are normalised by the mean and the standard deviation of each state, as in the online
training, or by those of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
import zarr

from scionwood import RecipeError, atomic_folder, reading, writing
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
    target: str | Path,
    *,
    normaliser: Normaliser | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> None:
    """Encode states, and write the means of their latents as Zarr v3.

    The store holds `latents` (sample, time, latent, i, j, k), and the `mean` and `deviation` that
    normalised the states, (sample, time, channel). Its attributes describe states and model.

    Args:
        model: a model with `encode` and a `card`, such as Tadpole.
        states: states as `readers.states` defines them, in three dimensions.
        target: the folder to write.
        normaliser: the normaliser of the fields. `None` means the mean and deviation of each state.
        device: where to compute.
        overwrite: replace an existing folder.

    Raises:
        RecipeError: the sides do not fit the model.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the disk is full.
    """
    layout = layout_of(states)
    model = model.to(device).eval()
    with writing(target), atomic_folder(target, overwrite=overwrite) as folder:
        group = zarr.open_group(folder, mode="w", zarr_format=3)
        group.attrs.update(states=to_card(layout), model=dict(model.card))
        shape = (layout.samples, len(layout.times))
        numbers = (*shape, len(layout.channels))
        moments = [
            group.create_array(
                name,
                shape=numbers,
                dtype=np.float32,
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
                x = scale.apply(tensor_of(state, device))
                z = fitting(lambda x: model.encode(x).mean, x)
                latents[sample, time] = z[0].cpu().numpy()
            for array, values in zip(moments, (scale.mean, scale.std), strict=True):
                array[sample, time] = np.asarray(values, np.float32)


@torch.no_grad()
def decode(
    model: Any, source: str | Path, *, put: Put | None = None, device: str = "cpu"
) -> xr.DataArray | None:
    """Decode the latents that `encode` wrote.

    Args:
        model: the model that encoded them, with `decode` and a `card`.
        source: the folder.
        put: stores a part of the states; then memory holds a row of tiles at a time. `None` means
            that the states are collected in memory.
        device: where to compute.

    Returns:
        The states in memory, or `None` if `put` stored them.

    Raises:
        ReadError: the folder holds no latents, or is damaged.
        RecipeError: another model encoded the latents.
    """
    layout = latents_layout(source)
    with reading(source, FORMAT):
        group: Any = zarr.open_group(source, mode="r")
        made = dict(group.attrs["model"])
        arrays = {name: group[name] for name in ("latents", "mean", "deviation")}
    _check_model(source, made, dict(model.card))
    model = model.to(device).eval()
    states, store = (None, put) if put is not None else in_memory(layout)
    for sample, time in np.ndindex(layout.samples, len(layout.times)):
        with reading(source, FORMAT):
            moments = [
                np.asarray(arrays[name][sample, time], layout.dtype)
                for name in ("deviation", "mean")
            ]
            latents = (arrays["latents"], sample, time)
            if _in_rows(model):
                _decode_rows(model, latents, moments, layout.sides, store, device)
                continue
            z = torch.from_numpy(np.asarray(arrays["latents"][sample, time])).to(device)
            state = model.decode(z[None], layout.sides)[0].cpu().numpy()
        for number, (field, deviation, mean) in enumerate(zip(state, *moments, strict=True)):
            whole = (slice(None),) * len(layout.sides)
            store(sample, time, number, whole, field * deviation + mean)
    return None if states is None else labelled(states, layout)


def latents_layout(source: str | Path) -> Layout:
    """Return the layout of the states that were encoded.

    Raises:
        ReadError: the folder holds no latents, or is damaged.
    """
    with reading(source, FORMAT):
        group: Any = zarr.open_group(source, mode="r")
        return from_card(group.attrs["states"])


def boundary_of(source: Path) -> Boundary:
    """Return the boundary of the model that encoded latents.

    Raises:
        ReadError: the folder holds no latents, or is damaged.
    """
    with reading(source, FORMAT):
        group: Any = zarr.open_group(source, mode="r")
        tiles = str(dict(group.attrs["model"]).get("tiles", ""))
    return "periodic" if tiles.endswith("boundary periodic") else "edge"


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
    cells, channels = tiles.latent(), model.size.latent_channels
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
    width = model.size.latent_channels
    for number, (mean, std) in enumerate(zip(scale.mean, scale.std, strict=True)):
        channels = slice(number * width, (number + 1) * width)

        def write(
            places: tuple[slice, ...], values: np.ndarray, channels: slice = channels
        ) -> None:
            latents[sample, time, channels, *places] = values

        def normal(x: np.ndarray, mean: float = mean, std: float = std) -> np.ndarray:
            changed: np.ndarray = (x - np.float32(mean)) / np.float32(std)
            return changed

        field = state[number]
        encode_field(model, field, field.shape, write, change=normal, device=device)


def _decode_rows(
    model: Any,
    source: tuple[Any, int, int],
    moments: Sequence[np.ndarray],
    sides: Sequence[int],
    put: Put,
    device: str,
) -> None:
    """Decode a state field by field and row by row, and store each row in its units."""
    latents, sample, time = source
    width = model.size.latent_channels
    for number, (deviation, mean) in enumerate(zip(*moments, strict=True)):
        channels = slice(number * width, (number + 1) * width)

        def read(places: Places, channels: slice = channels) -> np.ndarray:
            return np.asarray(latents[sample, time, channels, *places])

        def write(
            places: Places,
            values: np.ndarray,
            number: int = number,
            deviation: np.floating[Any] = deviation,
            mean: np.floating[Any] = mean,
        ) -> None:
            put(sample, time, number, places, values[0] * deviation + mean)

        decode_field(model, read, sides, write, device=device)


def _check_model(source: str | Path, made: dict[str, Any], own: dict[str, Any]) -> None:
    """Check that the card of the model equals the card stored with the latents."""
    differs = sorted(key for key in made.keys() | own.keys() if made.get(key) != own.get(key))
    if differs:
        pairs = ", ".join(f"{key}: {made.get(key)} here, {own.get(key)} now" for key in differs)
        rule = f"its latents were encoded by another model ({pairs})"
        raise RecipeError(str(source), rule, "Use the run or the options of `encode`")
