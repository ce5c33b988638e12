"""Open and write files of states, whatever their format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import xarray as xr

from scionwood import RecipeError
from scionwood_pde.readers.dataset import DatasetSource, is_states
from scionwood_pde.readers.opening import open_reader
from scionwood_pde.readers.states import layout_of
from scionwood_pde.readers.streams import Stream, is_stream, open_stream
from scionwood_pde.readers.write import save_states, writer_for

States: TypeAlias = xr.DataArray | xr.Dataset | str | Path
"""States in memory, or the path of a file of them, in any layout that the readers know.

A dataset or an array whose dims can be placed counts as states; see `readers.dataset`."""


def open_states(
    path: str | Path | Stream,
    *,
    fields: Sequence[str] | None = None,
    solids: bool = False,
    dims: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    axes: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Open a file of states; values are read when they are used.

    Args:
        path: a file, or a folder of Zarr. The format is recognised by the content. It may also be
            a URL of fsspec, such as `s3://bucket/flow.zarr`, a binary file that is open, or a store
            of Zarr.
        fields: names of the channels, in the order wanted. `None` means all channels.
        solids: NaN marks solid points. Without it, NaN is refused.
        dims: the dimension of the file for `sample`, `time`, `x`, `y` or `z`, such as
            `{"x": "lon"}`. `None` means that they are found by names and coordinates.
        rename: new names of channels by their names in the file.
        axes: the axes of each array of a file without names of axes, such as
            `{"flow/u": "time z y x"}`; see `readers.hdf5`.

    Raises:
        ReadError: the file is damaged, has an unknown format, lacks a field, or has a dimension
            that has no place.

    Example:
        >>> write_states(simulate(n=1, n_points=16, n_steps=2), "opened.zarr")
        >>> open_states("opened.zarr", fields=["u_x"]).channel.values.tolist()
        ['u_x']
    """
    options: dict[str, Any] = {"fields": fields, "solids": solids, "dims": dims, "rename": rename}
    if is_stream(path):
        return DatasetSource(open_stream(path, axes), **options).states()
    return open_reader(cast(Path, path), axes=axes, **options).to_xarray()


def write_states(states: States, target: str | Path, *, overwrite: bool = False) -> None:
    """Write states to a file; it appears complete or not at all.

    Args:
        states: the states to write, or their file.
        target: the file. The suffix selects the format: `.zarr` and `.zarr.zip` are Zarr v3,
            `.hdf5` is HDF5 of The Well, `.nc` is NetCDF-4.
        overwrite: replace an existing file.

    Raises:
        RecipeError: the suffix is unknown, `target` is the file that is read, or the name of a
            channel would be a path in the file.
        ReadError: the file is damaged, or a dimension has no place.
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: the file cannot be written.

    Example:
        >>> write_states(simulate(n=1, n_points=16, n_steps=2), "written.nc")
    """
    writer_for(target)  # a wrong suffix is refused before anything is read
    check_apart(states, target)
    save_states(opened(states, None), target, overwrite=overwrite)


def check_apart(source: object, target: str | Path | None) -> None:
    """Check that a result does not replace the file from which it is made.

    Raises:
        RecipeError: both are the same file or folder.
    """
    same = isinstance(source, str | Path) and target is not None
    if same and Path(str(source)).resolve() == Path(str(target)).resolve():
        rule = "it is the file that is read, and would be replaced"
        raise RecipeError(f"target {target}", rule, "Choose another name")


def opened(
    states: States,
    fields: Sequence[str] | None,
    *,
    solids: bool = False,
    dims: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Return states of the given channels, from a file if a path is given.

    Raises:
        ReadError: see `open_states`, and `readers.dataset`.
        RecipeError: `states` is no array or dataset of xarray, and no path.
    """
    return labelled_states(states, fields, solids=solids, dims=dims, rename=rename)[0]


def labelled_states(
    states: States, fields: Sequence[str] | None, *, solids: bool = False, **placing: Any
) -> tuple[xr.DataArray, DatasetSource | None]:
    """Return states as `opened` does, and the dataset that they come from, if it is none of states.

    Its labels are what a result gets back.
    """
    if not isinstance(states, str | Path | xr.DataArray | xr.Dataset):
        rule = "states are an array or a dataset of xarray, or the path of a file"
        raise RecipeError(f"states of the type {type(states).__name__}", rule, "Give one of these")
    if isinstance(states, str | Path):
        return open_states(states, fields=fields, solids=solids, **placing), None
    if not is_states(states) or any(placing.values()):
        source = DatasetSource(states, fields=fields, solids=solids, **placing)
        return source.states(), source
    states = cast(xr.DataArray, states)
    layout = layout_of(states).selected(Path("states"), fields)
    chosen = states if fields is None else states.sel(channel=[c.name for c in layout.channels])
    return chosen, None
