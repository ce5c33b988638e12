"""Write states as Zarr v3, NetCDF-4 or HDF5 of The Well; a file appears complete or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import xarray as xr
import zarr

from scionwood import RecipeError, atomic_folder_or_zip, atomic_path, writing
from scionwood_pde.readers.layout import AXES, EQUATION, ORDER, Channel, Layout
from scionwood_pde.readers.states import attributes, labelled, layout_of


class Writer(Protocol):
    """A function that writes states to a file."""

    def __call__(
        self, states: xr.DataArray, target: str | Path, *, overwrite: bool = False
    ) -> None:
        """See `write_zarr`."""


CHUNK = 64
"""Points along a side of a chunk; the published model was trained on crops of this side."""

SHARD = 256
"""Most points along a side of a file of chunks; it bounds the number of files."""


def write_zarr(
    states: xr.DataArray,
    target: str | Path,
    *,
    overwrite: bool = False,
    chunk: int = CHUNK,
    shard: int = SHARD,
) -> None:
    """Write Zarr v3 with one array for each channel.

    Args:
        states: states as `readers.states` defines them; they may be lazy.
        target: a folder, or a file `.zip`, into which the folder is packed.
        overwrite: replace an existing target.
        chunk: points along a side of a chunk; reads of aligned chunks are the fastest.
        shard: points along a side of a file of chunks, rounded up to whole chunks.

    Raises:
        ReadError: the states do not follow the conventions of `readers.states`.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the disk is full.
    """
    layout, target = layout_of(states), Path(target)
    with writing(target), atomic_folder_or_zip(target, overwrite=overwrite) as folder:
        group = zarr.open_group(folder, mode="w", zarr_format=3)
        group.attrs.update({ORDER: [c.name for c in layout.channels], **_made_by(states)})
        for axis, points in {"time": layout.times, **layout.coords}.items():
            array = group.create_array(
                axis,
                data=points,
                dimension_names=(axis,),
                attributes=attributes(layout, axis),
                fill_value=np.nan,
            )
        sides = [min(chunk, side) for side in layout.sides]
        blocks = [
            small * -(-min(shard, side) // small)
            for small, side in zip(sides, layout.sides, strict=True)
        ]
        for channel in layout.channels:
            array = group.create_array(
                channel.name,
                shape=(layout.samples, len(layout.times), *layout.sides),
                chunks=(1, 1, *sides),
                shards=(1, 1, *blocks),
                dtype=layout.dtype,
                dimension_names=("sample", "time", *layout.axes),
                attributes={"units": channel.unit},
                fill_value=np.nan,  # so that a lost chunk is noticed
            )
            _copy_states(states, channel, array, layout)


def write_netcdf(states: xr.DataArray, target: str | Path, *, overwrite: bool = False) -> None:
    """Write NetCDF-4 with one variable for each channel.

    Args:
        states: states as `readers.states` defines them.
        target: the file.
        overwrite: replace an existing file.

    Raises:
        ReadError: the states do not follow the conventions of `readers.states`.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the disk is full.
    """
    layout = layout_of(states)
    dataset = states.to_dataset(dim="channel").drop_vars("unit", errors="ignore")
    dataset.attrs = {ORDER: [c.name for c in layout.channels], **_made_by(states)}
    for channel in layout.channels:
        dataset[channel.name].attrs["units"] = channel.unit
    with writing(target), atomic_path(Path(target), overwrite=overwrite) as part:
        dataset.to_netcdf(part, engine="h5netcdf")


def write_well(states: xr.DataArray, target: str | Path, *, overwrite: bool = False) -> None:
    """Write HDF5 of The Well; `u_x`, `u_y`, `u_z` become the vector `u`.

    Args:
        states: states as `readers.states` defines them; they may be lazy.
        target: the file.
        overwrite: replace an existing file.

    Raises:
        ReadError: the states do not follow the conventions of `readers.states`.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the disk is full.

    Source: https://github.com/PolymathicAI/the_well, docs/data_format.md.
    """
    layout = layout_of(states)
    with (
        writing(target),
        atomic_path(Path(target), overwrite=overwrite) as part,
        h5py.File(part, "w") as file,
    ):
        _write_frame(file, layout, Path(target).stem)
        file.attrs.update(_made_by(states))
        fields: list[dict[str, tuple[Channel, ...]]] = [{}, {}, {}]
        fields[1] = _vectors(layout)
        used = {channel.name for parts in fields[1].values() for channel in parts}
        fields[0] = {c.name: (c,) for c in layout.channels if c.name not in used}
        for order, named in enumerate(fields):
            group = file.create_group(f"t{order}_fields")
            group.attrs["field_names"] = list(named)
            for name, parts in named.items():
                _write_field(group, name, parts, states, layout)


def _made_by(states: xr.DataArray) -> dict[str, str]:
    """Return the attributes that name the equation, and the run that predicted the states."""
    return {name: str(states.attrs[name]) for name in ("run", EQUATION) if name in states.attrs}


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
        own = {"sample_varying": False, **attributes(layout, axis)}
        dimensions[axis].attrs.update(own if axis == "time" else {**own, "time_varying": False})
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
        mask[[0, -1]] = True
        condition["mask"] = mask


def _write_field(
    group: h5py.Group,
    name: str,
    parts: tuple[Channel, ...],
    states: xr.DataArray,
    layout: Layout,
) -> None:
    shape = (layout.samples, len(layout.times), *layout.sides)
    vector = name != parts[0].name
    dataset = group.create_dataset(name, (*shape, len(parts)) if vector else shape, layout.dtype)
    varying = {"dim_varying": [True] * len(layout.axes)}
    dataset.attrs.update(sample_varying=True, time_varying=True, units=parts[0].unit, **varying)
    for i, channel in enumerate(parts):
        _copy_states(states, channel, dataset, layout, (i,) if vector else ())


def _vectors(layout: Layout) -> dict[str, tuple[Channel, ...]]:
    """Return the channels that form a vector: one name with a component for each space axis."""
    known = {channel.name: channel for channel in layout.channels}
    stems = dict.fromkeys(name[:-2] for name in known if name[-2:] == "_x" and name[:-2])
    components = {stem: [f"{stem}_{axis}" for axis in layout.axes] for stem in stems}
    return {
        stem: tuple(known[name] for name in names)
        for stem, names in components.items()
        if known.keys() >= set(names) and stem not in known
    }


def _copy_states(
    states: xr.DataArray,
    channel: Channel,
    array: Any,
    layout: Layout,
    component: tuple[int, ...] = (),
) -> None:
    number = [each.name for each in layout.channels].index(channel.name)
    space = (slice(None),) * len(layout.axes)
    for sample in range(layout.samples):
        for time in range(len(layout.times)):
            values = states[sample, time, number].values
            array[(sample, time, *space, *component)] = values


def sample_states() -> xr.DataArray:
    """Return two short seeded trajectories of a velocity and a density on a small box."""
    axes, sides = AXES, (4, 3, 2)
    units = {"time": "s", **dict.fromkeys(axes, "m")}
    named: Mapping[str, str] = {"u_x": "m/s", "u_y": "m/s", "u_z": "m/s", "density": "kg/m^3"}
    layout = Layout(
        2,
        0.1 * np.arange(3),
        {axis: 0.5 * np.arange(side) for axis, side in zip(axes, sides, strict=True)},
        tuple(Channel(n, unit, n, ("sample", "time", *axes)) for n, unit in named.items()),
        units,
        dict.fromkeys(axes, "periodic"),
        np.dtype(np.float32),
    )
    generator = np.random.default_rng(0)
    data = generator.standard_normal((2, 3, len(named), *sides)).astype(np.float32)
    return labelled(data, layout)


def writer_for(target: str | Path) -> Writer:
    """Return the writer for a file's suffix.

    Raises:
        RecipeError: the suffix is unknown.
    """
    writer = WRITERS.get(Path(target).suffix.lower())
    if writer is None:
        rule = f"its suffix is not one of {', '.join(WRITERS)}"
        raise RecipeError(str(target), rule, "Choose a format by the suffix")
    return writer


WRITERS: Mapping[str, Writer] = {
    ".zarr": write_zarr,
    ".zip": write_zarr,
    ".hdf5": write_well,
    ".nc": write_netcdf,
}
"""Writers by the suffix of the file."""
