"""Write states as Zarr v3, NetCDF-4 or HDF5 of The Well; a file appears complete or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr

from scionwood_pde.readers.layout import AXES, EQUATION, Channel, Layout
from scionwood_pde.readers.regions import (
    CHUNK,
    SHARD,
    Put,
    netcdf_regions,
    regions_for,
    well_regions,
    zarr_regions,
)
from scionwood_pde.readers.states import labelled, layout_of


class Writer(Protocol):
    """A function that writes states to a file."""

    def __call__(
        self, states: xr.DataArray, target: str | Path, *, overwrite: bool = False
    ) -> None:
        """See `write_zarr`."""


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
    with zarr_regions(
        target,
        layout_of(states),
        made_by(states),
        overwrite=overwrite,
        chunk=chunk,
        shards=3 * [shard],
    ) as put:
        _copy(states, put)


def write_netcdf(states: xr.DataArray, target: str | Path, *, overwrite: bool = False) -> None:
    """Write NetCDF-4 with one variable for each channel; see `write_zarr`."""
    with netcdf_regions(target, layout_of(states), made_by(states), overwrite=overwrite) as put:
        _copy(states, put)


def write_well(states: xr.DataArray, target: str | Path, *, overwrite: bool = False) -> None:
    """Write HDF5 of The Well; `u_x`, `u_y`, `u_z` become the vector `u`. See `write_zarr`."""
    with well_regions(target, layout_of(states), made_by(states), overwrite=overwrite) as put:
        _copy(states, put)


def made_by(states: xr.DataArray) -> dict[str, str]:
    """Return the attributes that name the equation, and the run that predicted the states."""
    return {name: str(states.attrs[name]) for name in ("run", EQUATION) if name in states.attrs}


def _copy(states: xr.DataArray, put: Put) -> None:
    """Copy states slab by slab: as many planes along x as a file of chunks has."""
    samples, times, channels, side = states.shape[:4]
    full_slices = (slice(None),) * (states.ndim - 4)
    for sample, time, channel in np.ndindex(samples, times, channels):
        for start in range(0, side, SHARD):
            planes = (slice(start, min(start + SHARD, side)), *full_slices)
            put(sample, time, channel, planes, states[(sample, time, channel, *planes)].values)


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


def writer_for(target: str | Path) -> Writer:
    """Return the writer for a file's suffix.

    Raises:
        RecipeError: the suffix is unknown.
    """
    regions_for(target)
    return WRITERS[Path(target).suffix.lower()]


WRITERS: Mapping[str, Writer] = {
    ".zarr": write_zarr,
    ".zip": write_zarr,
    ".hdf5": write_well,
    ".nc": write_netcdf,
}
"""Writers by the suffix of the file."""
