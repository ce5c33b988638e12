"""Readers and writers of crash files; `open_series` and `write_series` choose by the suffix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scionwood_crash.parts.mesh import CrashSeries
    from scionwood_crash.readers.base import CrashReader


def open_reader(
    path: str | Path, *, units: str | None = None, thickness: float | None = None
) -> CrashReader:
    """Open the reader of a file, by its suffix or else its content; see `open_series`."""
    from scionwood_crash.readers.dispatch import reader_of

    return reader_of(Path(path))(Path(path), units=units, thickness=thickness)


def open_series(
    path: str | Path, *, units: str | None = None, thickness: float | None = None
) -> CrashSeries:
    """Open a crash simulation, or a mesh, which is a series of one state.

    Args:
        path: d3plot, keyword deck, PVD, VTU, VTP, Zarr, or a format of meshio (VTK, Abaqus,
            Nastran, MED).
        units: such as `mm, ms, kg`; `None` means the units of the file, which may be unknown.
        thickness: thickness of shells that have none in the file; with `None` that is an error.

    Returns:
        A series whose states are read on demand.

    Raises:
        ReadError: the format is unknown, or the file is damaged.

    Example:
        >>> series = open_series("bumper.pvd")
        >>> series.displacement().shape == (len(series), len(series.mesh.points), 3)
        True
    """
    return open_reader(path, units=units, thickness=thickness).series()


def write_series(
    path: str | Path, series: CrashSeries, *, overwrite: bool = False, progress: bool = False
) -> None:
    """Write a series in the format of its suffix: `.pvd`, `.vtu`, `.vtp`, `.zarr`, or d3plot.

    Args:
        path: the target; a name that ends in `d3plot` gives a d3plot file.
        series: the series; one state is in memory at a time.
        overwrite: replace an existing file.
        progress: show a progress bar.

    Raises:
        OutputExistsError: `path` exists and `overwrite` is false.
        WriteError: no format has that suffix, or the file cannot be written.

    Example:
        >>> write_series("bumper.vtp", open_series("bumper.pvd"))
        >>> len(open_series("bumper.vtp")) == len(open_series("bumper.pvd"))
        True
    """
    from scionwood_crash.readers.dispatch import write

    write(Path(path), series, overwrite=overwrite, progress=progress)
