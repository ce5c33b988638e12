"""Readers and writers of crash files; `open_series` and `write_series` choose by suffix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scionwood_crash.parts.mesh import CrashSeries
    from scionwood_crash.readers.base import CrashReader


def open_reader(
    path: str | Path, *, units: str | None = None, thickness: float | None = None
) -> CrashReader:
    """The reader of a file, by its suffix or else its content; see `open_series`."""
    from scionwood_crash.readers.dispatch import reader_of

    return reader_of(Path(path))(Path(path), units=units, thickness=thickness)


def open_series(
    path: str | Path, *, units: str | None = None, thickness: float | None = None
) -> CrashSeries:
    """Open a crash simulation, or a mesh, which is a series of one state.

    Args:
        path: d3plot, a keyword deck, PVD, VTU, VTP, Zarr, or what meshio reads (VTK, Abaqus,
            Nastran, MED).
        units: such as `mm, ms, kg`; where null what the file says, else unknown.
        thickness: of every shell that has none in the file; where null that is an error.

    Returns:
        A series whose states are read when they are asked for.

    Raises:
        ReadError: it is of no known format, or damaged.
    """
    return open_reader(path, units=units, thickness=thickness).series()


def write_series(
    path: str | Path, series: CrashSeries, *, overwrite: bool = False, progress: bool = False
) -> None:
    """Write a series in the format of its suffix: `.pvd`, `.vtu`, `.vtp`, `.zarr`, or d3plot.

    Args:
        path: a name that ends in `d3plot` gives a d3plot file.
        series: with its states; one is in memory at a time, except in d3plot.
        overwrite: replace what is there.
        progress: show a bar.

    Raises:
        OutputExistsError: `path` exists and `overwrite` is false.
        WriteError: no format has that suffix, or the disk is full.
    """
    from scionwood_crash.readers.dispatch import write

    write(Path(path), series, overwrite=overwrite, progress=progress)
