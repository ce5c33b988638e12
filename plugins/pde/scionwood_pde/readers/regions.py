"""Files of states that are written part by part: Zarr v3, NetCDF-4 or HDF5 of The Well.

A file appears complete or not at all. Memory holds the parts that are being written, and nothing
of the rest of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import h5netcdf
import h5py
import numpy as np
import xarray as xr
import zarr

from scionwood import RecipeError
from scionwood.authoring import atomic_folder_or_zip, atomic_path, writing
from scionwood_pde.readers.layout import EQUATION, ORDER, UNKNOWN, Channel, Layout
from scionwood_pde.readers.states import attributes

Places = tuple[slice, ...]

Put = Callable[[int, int, int, Places, np.ndarray], None]
"""Stores a part of a field: sample, time, number of the channel, places in space, values."""

CHUNK = 64
"""Points along a side of a chunk; the published model was trained on crops of this side."""

SHARD = 256
"""Most points along a side of a file of chunks; it bounds the number of files."""

ROWS = (CHUNK, CHUNK, SHARD)
"""Most points along the sides of a file of chunks if rows along the last axis are written."""


class Regions(Protocol):
    """A function that creates a file, and returns what stores its parts."""

    def __call__(
        self,
        target: str | Path,
        layout: Layout,
        attrs: Mapping[str, str] | None = None,
        *,
        overwrite: bool = False,
    ) -> AbstractContextManager[Put]:
        """See `zarr_regions`."""


@contextmanager
def zarr_regions(
    target: str | Path,
    layout: Layout,
    attrs: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
    chunk: int = CHUNK,
    shards: Sequence[int] = ROWS,
) -> Iterator[Put]:
    """Create a Zarr v3 store with one array for each channel, and store its parts.

    Args:
        target: a folder, or a file `.zip`, into which the folder is packed.
        layout: the layout of the states.
        attrs: attributes of the store, such as the run that predicted the states.
        overwrite: replace an existing target.
        chunk: points along a side of a chunk; reads of aligned chunks are the fastest.
        shards: most points along each side of a file of chunks, rounded up to whole chunks. A file
            of chunks is written anew for each part that it holds.

    Raises:
        RecipeError: the name of a channel would be a path in the file.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the disk is full.
    """
    target = Path(target)
    _check_names(target, layout)
    with writing(target), atomic_folder_or_zip(target, overwrite=overwrite) as folder:
        group = zarr.open_group(folder, mode="w", zarr_format=3)
        group.attrs.update(_described(layout, attrs))
        for axis, points in {"time": layout.times, **layout.coords}.items():
            group.create_array(
                axis,
                data=points,
                dimension_names=(axis,),
                attributes=attributes(layout, axis),
                fill_value=np.nan,
            )
        sides = [min(chunk, side) for side in layout.sides]
        limits = zip(sides, layout.sides, shards, strict=False)
        # A file of chunks holds whole chunks.
        blocks = [small * -(-min(limit, side) // small) for small, side, limit in limits]
        arrays = [
            group.create_array(
                channel.name,
                shape=(layout.samples, len(layout.times), *layout.sides),
                chunks=(1, 1, *sides),
                shards=(1, 1, *blocks),
                dtype=layout.dtype,
                dimension_names=("sample", "time", *layout.axes),
                attributes={"units": channel.unit},
                fill_value=np.nan,  # so that a lost chunk is noticed
            )
            for channel in layout.channels
        ]
        yield _put_into(arrays)


@contextmanager
def netcdf_regions(
    target: str | Path,
    layout: Layout,
    attrs: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> Iterator[Put]:
    """Create a NetCDF-4 file with one variable for each channel; see `zarr_regions`."""
    _check_names(target, layout)
    lines = {"time": layout.times, **layout.coords}
    coords = {axis: (axis, points, attributes(layout, axis)) for axis, points in lines.items()}
    dims = ("sample", "time", *layout.axes)
    with writing(target), atomic_path(Path(target), overwrite=overwrite) as part:
        frame = xr.Dataset(coords=coords, attrs=_described(layout, attrs))
        frame.to_netcdf(part, engine="h5netcdf")
        with h5netcdf.File(part, "r+") as file:
            file.dimensions["sample"] = layout.samples
            arrays = []
            for channel in layout.channels:
                array = file.create_variable(channel.name, dims, layout.dtype, fillvalue=np.nan)
                array.attrs["units"] = channel.unit
                arrays.append(array)
            yield _put_into(arrays)


@contextmanager
def well_regions(
    target: str | Path,
    layout: Layout,
    attrs: Mapping[str, str] | None = None,
    *,
    overwrite: bool = False,
) -> Iterator[Put]:
    """Create HDF5 of The Well; `u_x`, `u_y`, `u_z` become the vector `u`. See `zarr_regions`.

    Source: https://github.com/PolymathicAI/the_well, docs/data_format.md.
    """
    _check_names(target, layout)
    with (
        writing(target),
        atomic_path(Path(target), overwrite=overwrite) as part,
        _closing_errors(),
        h5py.File(part, "w") as file,
    ):
        _write_frame(file, layout, Path(target).stem)
        file.attrs.update({n: v for n, v in _described(layout, attrs).items() if n != ORDER})
        fields: list[dict[str, tuple[Channel, ...]]] = [{}, _vectors(layout), {}]
        used = {channel.name for parts in fields[1].values() for channel in parts}
        fields[0] = {c.name: (c,) for c in layout.channels if c.name not in used}
        places: dict[str, tuple[h5py.Dataset, tuple[int, ...]]] = {}
        for order, group_fields in enumerate(fields):
            group = file.create_group(f"t{order}_fields")
            group.attrs["field_names"] = list(group_fields)
            for name, parts in group_fields.items():
                places |= _created(group, name, parts, layout)
        chosen = [places[channel.name] for channel in layout.channels]
        yield _put_into([array for array, _ in chosen], [last for _, last in chosen])


def regions_for(target: str | Path) -> Regions:
    """Return what creates a file of the format that a suffix selects.

    Raises:
        RecipeError: the suffix is unknown.
    """
    regions = REGIONS.get(Path(target).suffix.lower())
    if regions is None:
        rule = f"its suffix is not one of {', '.join(REGIONS)}"
        raise RecipeError(str(target), rule, "Choose a format by the suffix")
    return regions


@contextmanager
def _closing_errors() -> Iterator[None]:
    """Turn the `RuntimeError` with which h5py reports a full disk into the system's `OSError`."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(str(error)) from error


def _check_names(target: str | Path, layout: Layout) -> None:
    """Refuse names that a file would take for groups, in which no reader looks for a channel."""
    for channel in layout.channels:
        if "/" in channel.name or channel.name in ("", ".", ".."):
            rule = f"field {channel.name!r} would be a path in the file"
            remedy = f"Rename it, such as rename={{{channel.name!r}: 'field'}}"
            raise RecipeError(str(target), rule, remedy)


def _put_into(arrays: Sequence[Any], components: Sequence[tuple[int, ...]] = ()) -> Put:
    """Return a function that stores parts in an array for each channel."""
    last = components or [()] * len(arrays)

    def put(sample: int, time: int, channel: int, places: Places, values: np.ndarray) -> None:
        arrays[channel][(sample, time, *places, *last[channel])] = values

    return put


def _described(layout: Layout, attrs: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the attributes of a file: the order of the channels, the equation, and `attrs`."""
    equation = {} if layout.equation == UNKNOWN else {EQUATION: layout.equation}
    return {ORDER: [c.name for c in layout.channels], **equation, **(attrs or {})}


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
        line_attributes = {"sample_varying": False, **attributes(layout, axis)}
        dimensions[axis].attrs.update(
            line_attributes if axis == "time" else {**line_attributes, "time_varying": False}
        )
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
    group: h5py.Group, name: str, parts: tuple[Channel, ...], layout: Layout
) -> dict[str, tuple[h5py.Dataset, tuple[int, ...]]]:
    """Create the array of a field, and return it for each channel, with the component."""
    shape = (layout.samples, len(layout.times), *layout.sides)
    vector = name != parts[0].name
    dataset = group.create_dataset(name, (*shape, len(parts)) if vector else shape, layout.dtype)
    varying = {"dim_varying": [True] * len(layout.axes)}
    dataset.attrs.update(sample_varying=True, time_varying=True, units=parts[0].unit, **varying)
    return {channel.name: (dataset, (i,) if vector else ()) for i, channel in enumerate(parts)}


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


REGIONS: Mapping[str, Regions] = {
    ".zarr": zarr_regions,
    ".zip": zarr_regions,
    ".hdf5": well_regions,
    ".nc": netcdf_regions,
}
"""What creates a file, by its suffix."""
