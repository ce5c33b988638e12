"""HDF5 files of The Well: fields grouped by tensor order, with the components last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any, final

import h5py

from scionwood import ReadError
from scionwood_pde.readers.hdf5 import Hdf5Reader, check_stored, line
from scionwood_pde.readers.layout import AXES, UNKNOWN, Channel, Layout, native
from scionwood_pde.readers.write import sample_states, write_well

GROUPS = ("t0_fields", "t1_fields", "t2_fields")
"""Scalars, vectors, and second-order tensors."""


@final
class WellReader(Hdf5Reader):
    """A reader of HDF5 files of The Well; `velocity` becomes `velocity_x` and so on.

    Args:
        path: the file.
        fields: names of the channels to read, in the order wanted. `None` means all.

    Shapes: (channel, x, y, z) in the file's precision; fewer space axes if the file has fewer.

    Units: the attributes `units`, or `unknown`; The Well's own files have no units.

    Raises: ReadError: the file is damaged, has external links, lacks a field, has axes that do not
        fit, a side of 1 or mixed units, or holds NaN.

    Source: https://github.com/PolymathicAI/the_well, docs/data_format.md.
    """

    suffixes = (".hdf5",)
    format = "Well HDF5"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a velocity and a density."""
        write_well(sample_states(), path)

    def _layout(self, variables: Any) -> Layout:
        if "dimensions" not in variables:
            rule = "it is not a Well HDF5 file: it has no group 'dimensions'"
            raise ReadError(str(self.path), rule, "Name the right format")
        if variables.attrs.get("grid_type", "cartesian") != "cartesian":
            rule = f"its grid is {variables.attrs['grid_type']}; only cartesian grids are read"
            raise ReadError(str(self.path), rule, "Resample it onto a regular grid")
        places = variables["dimensions"]
        axes = tuple(axis for axis in AXES if axis in places)
        coords = {axis: line(self.path, places[axis]) for axis in axes}
        times = line(self.path, places["time"])
        units = {a: str(places[a].attrs.get("units", UNKNOWN)) for a in ("time", *axes)}
        channels, dtypes, samples = [], [], int(variables.attrs["n_trajectories"])
        sizes = {"sample": samples, "time": len(times), **{a: len(x) for a, x in coords.items()}}
        for order, group in enumerate(GROUPS):
            for name, dataset in variables.get(group, {}).items():
                channels += self._channels(name, dataset, order, sizes)
                dtypes.append(dataset.dtype)
        boundary = _boundary(variables.get("boundary_conditions", {}), axes)
        return Layout(samples, times, coords, tuple(channels), units, boundary, native(dtypes))

    def _channels(
        self, name: str, dataset: h5py.Dataset, order: int, sizes: Mapping[str, int]
    ) -> list[Channel]:
        """Return the components of a field; axes along which it is constant are not stored."""
        space = [axis for axis in sizes if axis in AXES]
        varies = [dataset.attrs.get(f"{axis}_varying", True) for axis in ("sample", "time")]
        varies += list(dataset.attrs.get("dim_varying", [True] * len(space)))
        axes = [axis for axis, varying in zip(sizes, varies, strict=True) if varying]
        expected = (*(sizes[axis] for axis in axes), *[len(space)] * order)
        if dataset.shape != expected:
            rule = f"field {name!r} has shape {dataset.shape}; its axes {axes} require {expected}"
            raise ReadError(str(self.path), rule, f"Correct the attributes of {dataset.name}")
        check_stored(self.path, dataset)
        unit = str(dataset.attrs.get("units", UNKNOWN))
        channels = []
        for component in product(range(len(space)), repeat=order):
            label = "".join(space[i] for i in component)
            full = f"{name}_{label}" if label else name
            channels.append(Channel(full, unit, dataset.name, (*axes, *component)))
        return channels


def _boundary(group: Mapping[str, Any], axes: tuple[str, ...]) -> dict[str, str]:
    kinds: dict[str, set[str]] = defaultdict(set)
    for condition in group.values():
        for axis in condition.attrs.get("associated_dims", []):
            kinds[str(axis)].add(str(condition.attrs.get("bc_type", UNKNOWN)).lower())
    return {axis: "/".join(sorted(kinds[axis])) or UNKNOWN for axis in axes}
