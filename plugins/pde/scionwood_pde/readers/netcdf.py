"""NetCDF-4 files, which are HDF5 files underneath."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

import h5py
import xarray as xr

from scionwood import ReadError, WriteError
from scionwood.authoring import check_hdf5
from scionwood_pde.readers.hdf5 import Hdf5Reader
from scionwood_pde.readers.labelled import OPTIONS, LabelledReader, Variables
from scionwood_pde.readers.parts import Part, ReadOnly
from scionwood_pde.readers.write import sample_states, write_netcdf


@final
class NetCDF3Reader(ReadOnly, LabelledReader):
    """A reader of NetCDF-3 files (classic and 64-bit offset) with named dims, by scipy.

    Args:
        path: the file.
        fields: names of the channels to read, in the order wanted. `None` means all.

    Shapes: (channel, x, y, z) in the file's precision; fewer space axes if the file has fewer.

    Units: the attributes `units` of variables and coordinates, or `unknown`.

    Raises: ReadError: scipy is missing, the file is damaged, lacks a field, has other dims, a side
        of 1 or mixed units, or holds NaN.

    Source: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
    """

    suffixes = (".nc",)
    format = "NetCDF-3"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a velocity and a density."""
        sample_states().drop_vars("unit").to_dataset("channel").to_netcdf(path, engine="scipy")

    @contextmanager
    def _dataset(self) -> Iterator[xr.Dataset]:
        if find_spec("scipy") is None:  # which the engine of xarray uses
            rule = "NetCDF-3 is read by scipy, which is not installed"
            raise ReadError(str(self.path), rule, "pip install scipy")
        with xr.open_dataset(self.path, engine="scipy", **OPTIONS) as dataset:
            yield dataset


@final
class NetCDFReader(LabelledReader, Hdf5Reader):
    """A reader of NetCDF-4 files with named dims.

    The dims of a field are `sample`, `time`, `channel`, `x`, `y`, `z`. They may
    have any order; a missing `sample` or `time` has size 1.

    Args:
        path: the file.
        fields: names of the channels to read, in the order wanted. `None` means all.

    Shapes: (channel, x, y, z) in the file's precision; fewer space axes if the file has fewer.

    Units: the attributes `units` of variables and coordinates, or `unknown`.

    Raises: ReadError: the file is damaged, has external links, lacks a field, has other dims, a
        side of 1 or mixed units, or holds NaN.

    Source: NetCDF-4, https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
    """

    suffixes = (".nc",)
    format = "NetCDF"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a velocity and a density."""
        write_netcdf(sample_states(), path)

    @contextmanager
    def _dataset(self) -> Iterator[xr.Dataset]:
        with xr.open_dataset(self.path, engine="h5netcdf", **OPTIONS) as dataset:
            yield dataset

    @contextmanager
    def _open(self) -> Iterator[Mapping[str, Any]]:
        with h5py.File(self.path) as file:
            check_hdf5(self.path, file, self.format)
            groups = _groups(file)
        with super()._open() as variables, ExitStack() as stack:
            for group in groups:
                part = xr.open_dataset(self.path, engine="h5netcdf", group=group, **OPTIONS)
                group_variables = stack.enter_context(part).variables
                variables = _merged(
                    variables, {str(n): variable for n, variable in group_variables.items()}, group
                )
            yield variables

    @contextmanager
    def _copy(self, target: Path, overwrite: bool) -> Iterator[Path]:
        with h5py.File(self.path) as file:
            groups = _groups(file)
        if groups:
            rule = f"fields in groups ({', '.join(groups)}) are read, and not written"
            raise WriteError(str(target), rule, "Write the states to a new file")
        with super()._copy(target, overwrite) as copy:
            yield copy


def _groups(file: h5py.File) -> list[str]:
    """Return the groups that hold arrays, by their paths; the root is none."""
    group_names: dict[str, None] = {}

    def visit(name: str, item: Any) -> None:
        group, _, _ = name.rpartition("/")
        if group and isinstance(item, h5py.Dataset):
            group_names[group] = None

    file.visititems(visit)
    return list(group_names)


def _merged(
    variables: Mapping[str, Any], group_variables: Mapping[str, Any], group: str
) -> Variables:
    """Return variables with those of a group; a name or a dim that differs gets that of the group.

    A dim of a group has the name of one of its parents, and another length, if it is its own.
    """
    sizes = {dim: n for variable in variables.values() for dim, n in variable.sizes.items()}
    out = dict(variables)
    for name, array in group_variables.items():
        dims = tuple(
            dim if sizes.get(dim, n) == n else f"{group}/{dim}" for dim, n in array.sizes.items()
        )
        out[f"{group}/{name}" if name in out else name] = Part(array, dims, array.attrs)
    return Variables(out, getattr(variables, "attrs", {}))
