"""What every reader of crash files offers beyond the core's contract."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from scionwood import Reader, ReadError, Record, WriteError, reading, writing
from scionwood_crash.parts.mesh import CrashSeries, Frame, ShellMesh
from scionwood_crash.parts.units import Units
from scionwood_crash.readers.checks import fault
from scionwood_crash.readers.globals_json import read_features


class CrashReader(Reader):
    """A reader whose records are states, (node, xyz), and which gives a `CrashSeries`.

    A record holds what the file stores: positions, or displacements where `stores` says so.

    Args:
        path: the file.
        units: such as `mm, ms, kg`; where null what the file says, else unknown.
        thickness: of every shell that has none in the file; where null that is an error.

    Attributes:
        mesh: before the impact.
        times: (state,) float64.
    """

    format: ClassVar[str]
    """In error messages."""

    stores: ClassVar[str] = "position"
    dims = ("node", "xyz")
    dtype = "float64"

    mesh: ShellMesh
    times: np.ndarray

    def __init__(
        self, path: Path, *, units: str | None = None, thickness: float | None = None
    ) -> None:
        self.path = Path(path)
        self._given = None if units is None else Units.parse(units)
        self._default = _checked_default(self.path, thickness)
        with reading(self.path, self.format):
            self.mesh, self.times = self._open()
            rule, remedy = fault(self.mesh, self.times)
            if rule:
                raise ReadError(str(self.path), f"{self.format}: {rule}", remedy)
        self.units = {"node": "1", "xyz": "1", "data": self.mesh.units.length}

    @abstractmethod
    def _open(self) -> tuple[ShellMesh, np.ndarray]:
        """The mesh and the times."""

    @abstractmethod
    def _frame(self, index: int) -> Frame:
        """A state; it may be damaged."""

    @abstractmethod
    def _replace(self, target: Path, states: Iterator[np.ndarray], overwrite: bool) -> None:
        """Write a copy with other states, each (node, xyz) of what the file stores."""

    def _stored(self, index: int) -> np.ndarray:
        """(node, xyz): what the file stores of a state."""
        values = self.read(index).displacement
        return self.mesh.points + values if self.stores == "position" else values

    def features(self) -> Mapping[str, float]:
        """Numbers of the whole run, from `global_features.json` beside the file; else none."""
        return read_features(self.path)

    def series(self) -> CrashSeries:
        """The mesh and its states, which are read when they are asked for."""
        return CrashSeries(self.mesh, self.times, self.read, self.path, self.features())

    def read(self, index: int) -> Frame:
        """The state of that index, from 0.

        Raises:
            ReadError: the file is damaged, or holds NaN there.
        """
        with reading(self.path, self.format):
            frame = self._frame(range(len(self.times))[index])
        arrays = {"displacement": frame.displacement, **frame.cell_fields, **frame.point_fields}
        for name, values in arrays.items():
            if not np.isfinite(values).all():
                rule = f"{self.format}: field {name!r} of state {index} holds NaN or infinity"
                remedy = "The run became unstable there? Leave the state out, or run it again"
                raise ReadError(str(self.path), rule, remedy)
        return frame

    def __len__(self) -> int:
        """The number of states."""
        return len(self.times)

    def __iter__(self) -> Iterator[Record]:
        """The states in the order of time, read as they are asked for."""
        for index, time in enumerate(self.times):
            values = self._stored(index)
            key: dict[str, int | str] = {"state": index, "time": f"{time:g}"}
            yield Record(key, values.astype(self.dtype), {"xyz": np.array(["x", "y", "z"])})

    def rewrite(
        self, target: Path, function: Callable[[Record], np.ndarray], *, overwrite: bool = False
    ) -> None:
        """As in the core; the first state's positions do not move the initial mesh.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the disk is full, or the shape changed.
        """
        with writing(Path(target)):
            self._replace(Path(target), self._changed(function), overwrite)

    def _changed(self, function: Callable[[Record], np.ndarray]) -> Iterator[np.ndarray]:
        for record in self:
            after = np.asarray(function(record))
            if after.shape != record.data.shape:
                rule = f"state {dict(record.key)} came back as {after.shape}, "
                rule += f"it was {record.data.shape}"
                raise WriteError(str(self.path), rule, "A function must keep the shape")
            yield after

    def _units(self, stated: str | None) -> Units:
        """The file's units, which the user may state but not contradict.

        Raises:
            ReadError: the user states other units than the file.
        """
        written = Units() if stated is None else Units.parse(stated)
        if self._given is None or not written.known:
            return self._given or written
        if self._given != written:
            rule = f"{self.format}: the file is in {written}, and {self._given} was asked for"
            raise ReadError(str(self.path), rule, "Leave units out, or convert the file")
        return written

    def _with_thickness(self, mesh: ShellMesh, found: np.ndarray) -> ShellMesh:
        """The mesh with a thickness for every element; the user's where the file has none (0).

        A rigid shell may have none, since its mass is given otherwise.

        Raises:
            ReadError: an element has none, and the user gave none.
        """
        missing = ~(found > 0)
        needed = missing & ~mesh.rigid
        if needed.any() and self._default is None:
            rule = f"{self.format}: {int(needed.sum())} of {len(found)} shells have no thickness"
            remedy = "Give thickness=..., in the file's unit of length"
            raise ReadError(str(self.path), rule, remedy)
        filled = np.where(missing, self._default or 0.0, found)
        return replace(mesh, thickness=filled.astype(np.float64))


def _checked_default(path: Path, thickness: float | None) -> float | None:
    if thickness is not None and not 0 < thickness < float("inf"):
        raise ReadError(f"{path}, thickness {thickness}", "a thickness is positive", "Correct it")
    return thickness
