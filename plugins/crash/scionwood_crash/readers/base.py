"""The base class of the readers of crash files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from scionwood import Reader, ReadError, Record, WriteError
from scionwood.authoring import RecordFunction, reading, writing
from scionwood_crash.parts.mesh import CrashSeries, Frame, ShellMesh
from scionwood_crash.parts.units import Units
from scionwood_crash.readers.checks import fault
from scionwood_crash.readers.globals_json import read_features


class CrashReader(Reader):
    """A reader that returns a `CrashSeries`, and whose records are states, (node, xyz).

    A record holds what the file stores: positions or displacements, as `stores` states.

    Args:
        path: the file.
        units: such as `mm, ms, kg`; `None` means the units of the file, which may be unknown.
        thickness: thickness of shells that have none in the file; with `None` that is an error.

    Attributes:
        mesh: mesh before the impact.
        times: (state,) float64.
    """

    format: ClassVar[str]
    """Name of the format in error messages."""

    stores: str = "position"
    dims = ("node", "xyz")
    dtype = "float64"

    mesh: ShellMesh
    times: np.ndarray

    def __init__(
        self, path: str | Path, *, units: str | None = None, thickness: float | None = None
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
        """Return the mesh and the times."""

    @abstractmethod
    def _frame(self, index: int) -> Frame:
        """Return a state, which may be damaged."""

    @abstractmethod
    def _replace(self, target: Path, states: Iterator[np.ndarray], overwrite: bool) -> None:
        """Write a copy with other states, each (node, xyz) of what the file stores."""

    def _stored(self, index: int) -> np.ndarray:
        """Return what the file stores of a state, (node, xyz)."""
        values = self.read(index).displacement
        return self.mesh.points + values if self.stores == "position" else values

    def features(self) -> Mapping[str, float]:
        """Return numbers of the whole run, from `global_features.json` beside the file."""
        return read_features(self.path)

    def series(self) -> CrashSeries:
        """Return the mesh with its states, which are read on demand."""
        return CrashSeries(self.mesh, self.times, self.read, self.path, self.features())

    def read(self, index: int) -> Frame:
        """Read the state of an index from 0.

        Raises:
            ReadError: the file is damaged, or the state holds NaN.
        """
        with reading(self.path, self.format):
            frame = self._frame(range(len(self.times))[index])
        arrays = {"displacement": frame.displacement, **frame.cell_fields, **frame.point_fields}
        for name, values in arrays.items():
            if not _finite(values):
                rule = f"{self.format}: field {name!r} of state {index} holds NaN or infinity"
                remedy = "Did the run become unstable? Leave the state out, or run it again"
                raise ReadError(str(self.path), rule, remedy)
        return frame

    def __len__(self) -> int:
        """Return the number of states."""
        return len(self.times)

    def __iter__(self) -> Iterator[Record]:
        """Iterate over the states in the order of time, and read each on demand."""
        for index, time in enumerate(self.times):
            values = self._stored(index)
            key: dict[str, int | str] = {"state": index, "time": f"{time:g}"}
            yield Record(key, values.astype(self.dtype), {"xyz": np.array(["x", "y", "z"])})

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy with changed states; the initial mesh stays as it is.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the file cannot be written, or the function changed a shape.
        """
        with writing(Path(target)):
            self._replace(Path(target), self._changed(function), overwrite)

    def _changed(self, function: RecordFunction) -> Iterator[np.ndarray]:
        for record in self:
            after = np.asarray(function(record))
            if after.shape != record.data.shape:
                rule = f"the function changed state {dict(record.key)} from "
                rule += f"{record.data.shape} to {after.shape}"
                raise WriteError(str(self.path), rule, "The function must keep the shape")
            yield after

    def _units(self, text: str | None) -> Units:
        """Return the units of the file, or those of the user if the file states none.

        Raises:
            ReadError: user and file state different units.
        """
        written = Units() if text is None else Units.parse(text)
        if self._given is None or not written.known:
            return self._given or written
        if self._given != written:
            rule = f"{self.format}: the file is in {written}, but {self._given} was given"
            raise ReadError(str(self.path), rule, "Leave units out, or convert the file")
        return written

    def _with_thickness(self, mesh: ShellMesh, thickness: np.ndarray) -> ShellMesh:
        """Return the mesh with thickness; elements with 0 get the value that the user gave.

        A rigid shell needs none, because its mass is given otherwise.

        Raises:
            ReadError: an element has no thickness, and the user gave none.
        """
        missing = ~(thickness > 0)
        needed = missing & ~mesh.rigid
        if needed.any() and self._default is None:
            rule = (
                f"{self.format}: {int(needed.sum())} of {len(thickness)} shells have no thickness"
            )
            remedy = "Give thickness=..., in the file's unit of length"
            raise ReadError(str(self.path), rule, remedy)
        filled = np.where(missing, self._default or 0.0, thickness)
        return replace(mesh, thickness=filled.astype(np.float64))


def _finite(values: np.ndarray) -> bool:
    """Return whether no value is NaN or infinite; a sum shows that faster than a mask."""
    with np.errstate(all="ignore"):  # an infinite sum may also be the sum of large numbers
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())


def _checked_default(path: Path, thickness: float | None) -> float | None:
    if thickness is not None and not 0 < thickness < float("inf"):
        raise ReadError(f"{path}, thickness {thickness}", "it must be positive", "Correct it")
    return thickness
