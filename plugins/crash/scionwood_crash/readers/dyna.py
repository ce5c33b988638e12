"""Read LS-DYNA d3plot files through lasso-python."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import final

import numpy as np

from scionwood import ReadError
from scionwood_crash.parts.mesh import Frame, ShellMesh
from scionwood_crash.readers.base import CrashReader
from scionwood_crash.readers.dyna_control import Control, check_mark, family
from scionwood_crash.readers.dyna_write import new_family, write_d3plot
from scionwood_crash.readers.lasso import RIGID, open_states
from scionwood_crash.readers.sample import sample_series

_SHELL = {
    "element_shell_thickness": "current_thickness",
    "element_shell_internal_energy": "internal_energy",
}
_NODE = {"node_velocity": "velocity", "node_acceleration": "acceleration"}
_LAYERS = {
    "element_shell_effective_plastic_strain": "plastic_strain_layers",
    "element_shell_stress": "stress_layers",
}
_ALIVE = "element_shell_is_alive"


@final
class DynaReader(CrashReader):
    """Reads d3plot files with their state files (`d3plot01`, `d3plot02` ...).

    Only shells are read; solids, beams and thick shells are left out. Cell fields are
    `plastic_strain` and `von_mises` (the largest over the integration points),
    `plastic_strain_layers` (element, layer) and `stress_layers` (element, 6 layer: xx yy zz xy yz
    zx) with all integration points, `current_thickness` and `internal_energy`. Point fields are
    `velocity` and `acceleration`. Shells of rigid parts have no such data: their fields are 0.

    Args:
        path: the first file.
        units: such as `mm, ms, kg`; d3plot files do not state them.
        thickness: thickness of shells that have none in the first state. Without it, rigid shells
            get 0.

    Shapes: positions, (node, xyz), in the precision of the file.

    Units: those of the model, which the user states.

    Raises: ReadError, for a damaged or truncated file, a missing state file, a solver from before
        2011, particles, adaptive meshes, 8-node shells, missing thickness, or NaN; PluginError, if
        lasso-python is not installed.

    Source: LSTC, "LS-DYNA Database Binary Output Files"; lasso-python 2.
    """

    suffixes = (".d3plot",)
    beside = True
    format = "d3plot (dyna)"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a small seeded mesh of three parts, with a rigid part, triangles and deletion."""
        write_d3plot(sample_series(), path, overwrite=True, states_per_file=0)

    def _open(self) -> tuple[ShellMesh, np.ndarray]:
        control = Control.open(self.path)
        self._name_others(control)
        self._family = family(self.path)
        for file in self._family[1:] or [self.path]:
            check_mark(file, control.word)
        self._data = open_states(self.path)
        arrays = self._data.arrays
        self._count, self._shells = control.values["numnp"], control.values["nel4"]
        cells = self._array(arrays, "element_shell_node_indexes", (self._shells, 4))
        points = self._array(arrays, "node_coordinates", (self._count, 3))
        self.dtype = points.dtype.name
        parts = self._array(arrays, "element_shell_part_indexes", (self._shells,))
        numbers = self._of_parts(arrays.get("part_ids"), parts, parts + 1)
        kinds = self._of_parts(arrays.get("part_material_type"), parts, np.zeros_like(parts))
        self._rigid = kinds == RIGID
        times = self._data.times()
        mesh = ShellMesh.build(
            points,
            cells,
            0.0,
            part_ids=numbers,
            node_ids=self._array(arrays, "node_ids", (self._count,)),
            element_ids=self._array(arrays, "element_shell_ids", (self._shells,)),
            units=self._units(None),
            rigid_parts=frozenset(np.unique(numbers[self._rigid]).tolist()),
        )
        return self._with_thickness(mesh, self._initial(len(times) > 0)), times

    def _name_others(self, control: Control) -> None:
        """Warn of elements beside the shells, which are left out."""
        names = {"nel8": "solids", "nel2": "beams", "nelt": "thick shells"}
        counts = {name: abs(control.values[word]) for word, name in names.items()}
        others = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        if others and control.values["nel4"]:
            warnings.warn(f"{self.path.name}: {others} are left out", stacklevel=2)

    def _of_parts(
        self, values: np.ndarray | None, parts: np.ndarray, default: np.ndarray
    ) -> np.ndarray:
        """Return the value of each element's part, (element,); the default without a part list."""
        if values is None or not len(parts):
            return default
        if not 0 <= parts.min() <= parts.max() < len(values):
            rule = "d3plot: shells belong to parts that the file does not list"
            raise ReadError(str(self.path), rule, "Is it damaged? Copy it again")
        return np.asarray(values[parts])

    def _initial(self, has_states: bool) -> np.ndarray:
        """Return the thickness of the first state, (element,); 0 for missing values."""
        arrays = self._data.state(0) if has_states else {}
        if "element_shell_thickness" in arrays:
            return self._on_all(arrays["element_shell_thickness"]).astype(np.float64)
        return np.zeros(self._shells)

    def _frame(self, index: int) -> Frame:
        arrays = self._data.state(index)
        positions = self._array(arrays, "node_displacement", (self._count, 3))
        alive = np.ones(self._shells, bool)
        if _ALIVE in arrays:
            alive = arrays[_ALIVE] != 0
        on_cells = {
            label: self._on_all(arrays[name]) for name, label in _SHELL.items() if name in arrays
        }
        for name, label in _LAYERS.items():
            if name in arrays and arrays[name].shape[1]:
                values = self._on_all(arrays[name])
                on_cells |= _summary(label, values)
                on_cells[label] = values.reshape(len(values), -1)
        on_points = {label: arrays[name] for name, label in _NODE.items() if name in arrays}
        # The file holds positions. The difference of two floats is exact in double precision.
        moved = np.subtract(positions, self.mesh.points, dtype=np.float64)
        return Frame(moved, alive, on_cells, on_points)

    def _on_all(self, values: np.ndarray) -> np.ndarray:
        """Return values of all shells from those of deformable shells; rigid ones get 0."""
        if not self._rigid.any():
            return values
        full = np.zeros((self._shells, *values.shape[1:]), values.dtype)
        full[~self._rigid] = values
        return full

    def _array(
        self, arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]
    ) -> np.ndarray:
        # lasso logs what it cannot read, and continues.
        values = arrays.get(name)
        if values is None or values.shape != shape:
            rule = f"d3plot: {name} cannot be read"
            raise ReadError(str(self.path), rule, "Is it damaged? Copy it again")
        return np.asarray(values)

    def _replace(self, target: Path, states: Iterator[np.ndarray], overwrite: bool) -> None:
        header = self._data.header
        skip = (1 + int(header.n_global_vars)) * int(header.wordsize)
        with new_family(target, overwrite) as place:
            for file in self._family:
                (place / file.name).write_bytes(file.read_bytes())
            for (file, start), values in zip(self._data.places, states, strict=True):
                with (place / file.name).open("r+b") as copy:
                    copy.seek(start + skip)
                    copy.write(values.astype("<" + values.dtype.str[1:]).tobytes())
            for file in self._family:
                name = target.name + file.name.removeprefix(self.path.name)
                os.rename(place / file.name, place / f"new-{name}")


def _summary(label: str, layers: np.ndarray) -> dict[str, np.ndarray]:
    """Return the largest value over the layers, as a field by name."""
    if label == "plastic_strain_layers":
        return {"plastic_strain": _largest(layers)}
    x, y, z, xy, yz, zx = (np.ascontiguousarray(layers[..., at]) for at in range(6))
    normal = (x - y) ** 2 + (y - z) ** 2 + (z - x) ** 2
    # The root of the largest square is the largest root.
    return {"von_mises": np.sqrt(_largest(0.5 * normal + 3 * (xy**2 + yz**2 + zx**2)))}


def _largest(layers: np.ndarray) -> np.ndarray:
    """Return the maximum of (element, layer) over the few layers, faster than `max(1)`."""
    return np.asarray(reduce(np.maximum, layers.T))
