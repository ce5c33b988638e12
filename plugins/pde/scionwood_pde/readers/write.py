"""Write states as Zarr v3, NetCDF-4 or HDF5 of The Well; a file appears complete or not at all.

States may be arrays of dask, or be read from another file: they are computed and written chunk by
chunk, so that memory does not depend on their size.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import dask
import h5py
import numpy as np
import xarray as xr
from xarray.backends.locks import get_write_lock

from scionwood import RecipeError
from scionwood.authoring import atomic_folder_or_zip, atomic_path, check_target, writing
from scionwood_pde.readers.layout import AXES, EQUATION, ORDER, Channel, Layout
from scionwood_pde.readers.states import DASK, as_dataset, attributes, chunked, labelled, layout_of

CHUNK = 64
"""Points along a side of a chunk; the published model was trained on crops of this side."""

SHARD = 256
"""Most points along a side of a file of chunks; it bounds the number of files."""


def save_states(
    states: xr.DataArray,
    target: str | Path,
    *,
    overwrite: bool = False,
    chunk: int = CHUNK,
    shard: int = SHARD,
) -> None:
    """Write states to a file, whose format its suffix selects.

    Args:
        states: states as `readers.states` defines them; they may be lazy.
        target: the file: `.zarr`, `.zip` of a Zarr folder, `.nc`, or `.hdf5` of The Well, in which
            `u_x`, `u_y`, `u_z` become the vector `u`.
        overwrite: replace an existing target.
        chunk: points along a side of a chunk of Zarr; reads of aligned chunks are the fastest.
        shard: points along a side of a file of chunks, rounded up to whole chunks.

    Raises:
        ReadError: the states do not follow the conventions of `readers.states`.
        RecipeError: the suffix is unknown, or the name of a channel would be a path in the file.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the disk is full.
    """
    write, place, layout = writer_for(target), Path(target), layout_of(states)
    for channel in layout.channels:
        if "/" in channel.name or channel.name in ("", ".", ".."):
            rule = f"field {channel.name!r} would be a path in the file"
            remedy = f"Rename it, such as rename={{{channel.name!r}: 'field'}}"
            raise RecipeError(str(target), rule, remedy)
    check_target(place, overwrite=overwrite)
    folder = atomic_folder_or_zip if write is _zarr else atomic_path
    with writing(target), folder(place, overwrite=overwrite) as part, one_by_one():
        write(states, part, (chunk, shard))


@contextmanager
def one_by_one() -> Iterator[None]:
    """Compute chunks of dask in this thread, unless a client of `dask.distributed` is active."""
    client = active_client()
    with dask.config.set({} if client else {"scheduler": "synchronous"}):
        yield


def active_client() -> Any:
    """Return the active client of `dask.distributed`, or `None` without one."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:  # there is none
        return None


def _described(states: xr.DataArray, layout: Layout) -> dict[str, Any]:
    """Return the attributes of a file: the order of the channels, the run and the equation."""
    attrs = {name: str(states.attrs[name]) for name in ("run", EQUATION) if name in states.attrs}
    return {ORDER: [channel.name for channel in layout.channels], **attrs}


def _zarr(states: xr.DataArray, target: Path, sides: Sequence[int]) -> None:
    """Write Zarr v3 with one array for each channel, in chunks that are packed into shards."""
    layout = layout_of(states)
    small = [min(sides[0], side) for side in layout.sides]
    # A file of chunks is complete before it is written, so that rows of tiles make long ones.
    limits = [sides[0] if states.chunks else sides[1]] * (len(small) - 1) + [sides[1]]
    pairs = zip(small, limits, layout.sides, strict=True)
    blocks = [n * -(-min(limit, side) // n) for n, limit, side in pairs]
    dataset = as_dataset(chunked(states, blocks)).assign_attrs(_described(states, layout))
    encoding = {
        channel.name: {
            "chunks": (1, 1, *small),
            "shards": (1, 1, *blocks),
            "fill_value": np.nan,  # so that a lost chunk is noticed
        }
        for channel in layout.channels
    }
    _bare(dataset).to_zarr(
        target, mode="w", zarr_format=3, consolidated=False, encoding=encoding, safe_chunks=False
    )


def _netcdf(states: xr.DataArray, target: Path, sides: Sequence[int]) -> None:
    """Write NetCDF-4 with one variable for each channel."""
    layout = layout_of(states)
    dataset = as_dataset(chunked(states, 3 * [sides[1]])).assign_attrs(_described(states, layout))
    _bare(dataset).to_netcdf(target, engine="h5netcdf")


def _bare(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset without the encodings of the file that it was read from."""
    return dataset.drop_encoding()


def _well(states: xr.DataArray, target: Path, sides: Sequence[int]) -> None:
    """Write HDF5 of The Well.

    Source: https://github.com/PolymathicAI/the_well, docs/data_format.md.
    """
    layout = layout_of(states)
    with _closing_errors(), h5py.File(target, "w") as file:
        _write_frame(file, layout, target.stem)
        file.attrs.update({n: v for n, v in _described(states, layout).items() if n != ORDER})
        vectors = _vectors(layout)
        used = {channel.name for parts in vectors.values() for channel in parts}
        orders: list[dict[str, tuple[Channel, ...]]] = [{}, vectors, {}]
        orders[0] = {c.name: (c,) for c in layout.channels if c.name not in used}
        places: dict[str, _Target] = {}
        for order, fields in enumerate(orders):
            group = file.create_group(f"t{order}_fields")
            group.attrs["field_names"] = list(fields)
            for name, parts in fields.items():
                places |= _created(target, group, name, parts, layout)
    data = chunked(states, 3 * [sides[1]]).data
    sources = [data[:, :, i] for i in range(len(layout.channels))]
    with _closing_errors():
        targets = [places[channel.name] for channel in layout.channels]
        DASK.store(sources, targets, lock=get_write_lock(str(target)))


@final
class _Target:
    """An array of an HDF5 file, or a component of it, that is opened for each part."""

    def __init__(self, path: Path, name: str, last: tuple[int, ...]) -> None:
        self.path, self.name, self.last = path, name, last

    def __setitem__(self, key: tuple[slice, ...], values: np.ndarray) -> None:
        with h5py.File(self.path, "r+") as file:
            file[self.name][(*key, *self.last)] = values


@contextmanager
def _closing_errors() -> Iterator[None]:
    """Turn the `RuntimeError` with which h5py reports a full disk into the system's `OSError`."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(str(error)) from error


def _write_frame(file: h5py.File, layout: Layout, name: str) -> None:
    axes = list(layout.axes)
    file.attrs.update(
        dataset_name=name,
        grid_type="cartesian",
        n_spatial_dims=len(axes),
        n_trajectories=layout.samples,
        simulation_parameters=[],
    )
    file.create_group("scalars").attrs["field_names"] = []
    dimensions = file.create_group("dimensions")
    dimensions.attrs["spatial_dims"] = axes
    for axis, points in {"time": layout.times, **layout.coords}.items():
        dimensions[axis] = points
        still = {} if axis == "time" else {"time_varying": False}
        attrs = {"sample_varying": False, **attributes(layout, axis), **still}
        dimensions[axis].attrs.update(attrs)
    conditions = file.create_group("boundary_conditions")
    for axis in axes:
        kind = layout.boundary[axis]
        condition = conditions.create_group(f"{axis}_{kind.replace('/', '_')}")
        condition.attrs.update(
            associated_dims=[axis],
            associated_fields=[],
            bc_type=kind.upper(),
            sample_varying=False,
            time_varying=False,
        )
        mask = np.zeros(len(layout.coords[axis]), bool)
        # The mask of The Well marks the points at both faces.
        mask[[0, -1]] = True
        condition["mask"] = mask


def _created(
    path: Path, group: h5py.Group, name: str, parts: tuple[Channel, ...], layout: Layout
) -> dict[str, _Target]:
    """Create the array of a field, and return where the values of each channel go."""
    shape = (layout.samples, len(layout.times), *layout.sides)
    vector = name != parts[0].name
    dataset = group.create_dataset(name, (*shape, len(parts)) if vector else shape, layout.dtype)
    varying = {"dim_varying": [True] * len(layout.axes)}
    dataset.attrs.update(sample_varying=True, time_varying=True, units=parts[0].unit, **varying)
    places = {channel.name: (i,) if vector else () for i, channel in enumerate(parts)}
    return {channel: _Target(path, dataset.name, last) for channel, last in places.items()}


def _vectors(layout: Layout) -> dict[str, tuple[Channel, ...]]:
    """Return the channels that form a vector: one name with a component for each space axis."""
    channels = {channel.name: channel for channel in layout.channels}
    stems = dict.fromkeys(name[:-2] for name in channels if name[-2:] == "_x" and name[:-2])
    components = {stem: [f"{stem}_{axis}" for axis in layout.axes] for stem in stems}
    return {
        stem: tuple(channels[name] for name in names)
        for stem, names in components.items()
        if channels.keys() >= set(names) and stem not in channels
    }


def sample_states() -> xr.DataArray:
    """Return two short seeded trajectories of a velocity and a density on a small box."""
    axes, sides = AXES, (4, 3, 2)
    units = {"time": "s", **dict.fromkeys(axes, "m")}
    field_units: Mapping[str, str] = {"u_x": "m/s", "u_y": "m/s", "u_z": "m/s", "density": "kg/m^3"}
    layout = Layout(
        2,
        0.1 * np.arange(3),
        {axis: 0.5 * np.arange(side) for axis, side in zip(axes, sides, strict=True)},
        tuple(Channel(n, unit, n, ("sample", "time", *axes)) for n, unit in field_units.items()),
        units,
        dict.fromkeys(axes, "periodic"),
        np.dtype(np.float32),
    )
    generator = np.random.default_rng(0)
    data = generator.standard_normal((2, 3, len(field_units), *sides)).astype(np.float32)
    return labelled(data, layout)


def writer_for(target: str | Path) -> Callable[[xr.DataArray, Path, Sequence[int]], None]:
    """Return the writer for a file's suffix.

    Raises:
        RecipeError: the suffix is unknown.
    """
    writer = _WRITERS.get(Path(target).suffix.lower())
    if writer is None:
        rule = f"its suffix is not one of {', '.join(_WRITERS)}"
        raise RecipeError(str(target), rule, "Choose a format by the suffix")
    return writer


_WRITERS = {".zarr": _zarr, ".zip": _zarr, ".hdf5": _well, ".nc": _netcdf}
