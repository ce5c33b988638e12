"""HDF5 files of PDEBench: one dataset for each field, (sample, time, x, y, z), and coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from scionwood import ReadError
from scionwood.authoring import atomic_path
from scionwood_pde.readers.hdf5 import Hdf5Reader, check_stored, line
from scionwood_pde.readers.layout import AXES, UNKNOWN, Channel, Layout, native
from scionwood_pde.readers.write import sample_states

FIELDS = ("density", "pressure", "Vx", "Vy", "Vz", "tensor")
STATIC = ("nu",)
"""Fields that do not change in time, (sample, x, y, z), such as the coefficient of Darcy flow."""
NAMES = {"Vx": "V_x", "Vy": "V_y", "Vz": "V_z"}


@final
class PDEBenchReader(Hdf5Reader):
    """A reader of HDF5 files of PDEBench: `density`, `pressure`, `Vx`, `Vy`, `Vz`, or `tensor`.

    The coefficient `nu` of Darcy flow is a channel that does not change in time.

    Args:
        path: the file.
        fields: names of the channels to read, in the order wanted. `None` means all. The
            components of velocity are called V_x, V_y, V_z.

    Shapes: (channel, x, y, z) in the file's precision; fewer space axes if the file has fewer.

    Units: `unknown`, since the files do not state them.

    Raises: ReadError: the file is damaged, has external links, lacks a field, has axes that do not
        fit or a side of 1, or holds NaN.

    Source: https://github.com/pdebench/PDEBench; Takamoto et al. 2022, arXiv:2210.07182.
    """

    suffixes = (".h5",)
    format = "PDEBench HDF5"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two short seeded trajectories of a density and a velocity."""
        states = sample_states().transpose("channel", "sample", "time", ...).values
        with atomic_path(path) as part, h5py.File(part, "w") as file:
            for name, values in zip(("Vx", "Vy", "Vz", "density"), states, strict=True):
                file[name] = values
            for axis, side in zip(AXES, states.shape[3:], strict=True):
                file[f"{axis}-coordinate"] = (np.arange(side) + 0.5) / side
            file["t-coordinate"] = 0.05 * np.arange(states.shape[2] + 1)

    def _layout(self, variables: Mapping[str, Any]) -> Layout:
        fields = {name: variables[name] for name in FIELDS if name in variables}
        if not fields:
            rule = f"it is not a PDEBench HDF5 file: it has none of {', '.join(FIELDS)}"
            raise ReadError(str(self.path), rule, "Name the right format")
        shapes = {name: dataset.shape for name, dataset in fields.items()}
        shape = next(iter(shapes.values()))
        if len(set(shapes.values())) > 1 or not 3 <= len(shape) <= 5:
            rule = f"its fields have shapes {shapes}; all must have one (sample, time, x, y, z)"
            raise ReadError(str(self.path), rule, "Give another file")
        axes = AXES[: len(shape) - 2]
        # Files of compressible flow also list the end of the last interval.
        times = self._line(variables, "t", shape[1])
        coords = {a: self._line(variables, a, n) for a, n in zip(axes, shape[2:], strict=True)}
        channels = []
        for name, dataset in fields.items():
            check_stored(self.path, dataset)
            channel_name = NAMES.get(name, name)
            channels.append(Channel(channel_name, UNKNOWN, name, ("sample", "time", *axes)))
        dtype = native([dataset.dtype for dataset in fields.values()])
        units = dict.fromkeys(("time", *axes), UNKNOWN)
        boundary = dict.fromkeys(axes, UNKNOWN)
        still, elsewhere = self._others(variables, (shape[0], *shape[2:]), axes)
        channels += still
        return Layout(shape[0], times, coords, tuple(channels), units, boundary, dtype, elsewhere)

    def _others(
        self, variables: Mapping[str, Any], shape: tuple[int, ...], axes: tuple[str, ...]
    ) -> tuple[list[Channel], dict[str, tuple[str, ...]]]:
        """Return the fields that do not change in time, and what would be left out."""
        still: list[Channel] = []
        elsewhere: dict[str, tuple[str, ...]] = {}
        for name, dataset in variables.items():
            is_read = name in FIELDS or name.endswith("-coordinate")
            if is_read or not isinstance(dataset, h5py.Dataset) or dataset.ndim < 2:
                continue
            if name in STATIC and dataset.shape == shape:
                check_stored(self.path, dataset)
                still.append(Channel(name, UNKNOWN, name, ("sample", *axes)))
            else:
                elsewhere[name] = tuple(map(str, dataset.shape))
        return still, elsewhere

    def _line(self, variables: Mapping[str, Any], axis: str, size: int) -> np.ndarray:
        name = f"{axis}-coordinate"
        if name not in variables:
            return np.arange(size, dtype=np.float64)
        values = line(self.path, variables[name])
        if len(values) not in ((size, size + 1) if axis == "t" else (size,)):
            rule = f"{name} has {len(values)} values; its axis has {size} points"
            raise ReadError(str(self.path), rule, "Give another file")
        return values[:size]
