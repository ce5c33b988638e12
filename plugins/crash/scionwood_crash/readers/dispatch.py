"""Choose the reader or the writer of a file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scionwood import ReadError, WriteError
from scionwood.authoring import call_in_child, reading
from scionwood_crash.parts.mesh import CrashSeries, Frame

if TYPE_CHECKING:
    from scionwood_crash.readers.base import CrashReader

_HOMES = {
    "keyword:KeywordReader": (".k", ".key", ".dyn"),
    "vtk_series:VtkSeriesReader": (".pvd", ".vtu", ".vtp", ".vtk", ".vtkhdf"),
    "radioss:RadiossReader": (".rad",),
    "store:ZarrReader": (".zarr", ".zip"),
    "meshio:MeshReader": (".inp", ".bdf", ".nas", ".fem", ".med"),
    "dyna:DynaReader": (".d3plot",),
}
_FEMZIP = "femzip"
_WRITERS = {
    ".pvd": "vtk_write:write_pvd",
    ".vtu": "vtk_write:write_vtu",
    ".vtp": "vtk_write:write_vtp",
    ".vtk": "vtk_write:write_vtk",
    ".rad": "radioss_write:write_radioss",
    ".vtkhdf": "vtkhdf_write:write_vtkhdf",
    ".zarr": "store:write_zarr",
    ".zip": "store:write_zarr",
    ".d3plot": "dyna_write:write_d3plot",
}


def reader_of(path: Path) -> type[CrashReader]:
    """Return the reader of a file, by its suffix or else its content.

    Raises:
        ReadError: the format is unknown.
    """
    path = Path(path)
    suffix = _suffix(path)
    by_suffix = (home for home, suffixes in _HOMES.items() if suffix in suffixes)
    home = next(by_suffix, None) or call_in_child(_by_content, path)
    if home == _FEMZIP:
        rule = "it is compressed by FEMZIP, whose format is not open"
        remedy = "Uncompress it with femunzip to d3plot, or export PVD or VTKHDF"
        raise ReadError(str(path), rule, remedy)
    if home is None:
        suffix_list = ", ".join(suffix for suffixes in _HOMES.values() for suffix in suffixes)
        rule = f"its format is unknown, by suffix and by content; known are d3plot, {suffix_list}"
        raise ReadError(str(path), rule, "Convert it to one of these, or correct the suffix")
    reader: type[CrashReader] = _load(home)
    return reader


def write(path: Path, series: CrashSeries, *, overwrite: bool, progress: bool) -> None:
    """Write a series; see `readers.write_series`."""
    from scionwood_crash.readers.globals_json import read_features, write_features

    path = Path(path)
    home = _WRITERS.get(_suffix(path))
    if home is None:
        rule = f"no format has the suffix {path.suffix!r}"
        raise WriteError(str(path), rule, f"Choose one of {', '.join(_WRITERS)}")
    if _suffix(path) in (".vtu", ".vtk") and len(series) != 1:
        rule = f"a {path.suffix} file holds one state, and the series has {len(series)}"
        raise WriteError(str(path), rule, "Write it to a .pvd file")
    tracked = _with_progress(series, path.name) if progress else series
    _load(home)(tracked, path, overwrite=overwrite)
    if series.features or read_features(path):
        write_features(path.parent, {path.stem: series.features})


def _suffix(path: Path) -> str:
    """Return the suffix; a name that ends in `d3plot`, as LS-DYNA writes, has `.d3plot`."""
    return ".d3plot" if path.name.lower().endswith("d3plot") else path.suffix.lower()


def _by_content(path: Path) -> str | None:
    if path.suffix.lower() in (".fz", ".femzip"):
        return _FEMZIP
    if path.is_dir():
        return "store:ZarrReader" if any(path.glob(".z*")) or any(path.glob("zarr*")) else None
    with reading(path, "crash"), path.open("rb") as file:
        head = file.read(4096)
        if b"FEMZIP" in head.upper():
            return _FEMZIP
        if zipfile.is_zipfile(file):  # raises BadZipFile on some damaged archives
            return "store:ZarrReader"
    if head.startswith(b"\x89HDF") and b"VTKHDF" in head:
        return "vtk_series:VtkSeriesReader"
    if b"<VTKFile" in head:
        return "vtk_series:VtkSeriesReader"
    if head.lstrip().startswith((b"*", b"$")) and b"\0" not in head:
        return "keyword:KeywordReader"
    words = [int.from_bytes(head[at : at + size], "little") for at, size in ((44, 4), (88, 8))]
    return "dyna:DynaReader" if 1 in words else None


def _load(home: str) -> Any:
    module, name = home.split(":")
    return getattr(import_module(f"scionwood_crash.readers.{module}"), name)


def _with_progress(series: CrashSeries, name: str) -> CrashSeries:
    """Return the series with a progress bar that advances when a state is first read."""
    from rich.progress import track

    steps: Iterator[int] = iter(track(range(len(series)), f"writing {name}"))
    read_count = 0

    def read(index: int) -> Frame:
        nonlocal read_count
        if index >= read_count:
            next(steps)
            read_count = index + 1
            if read_count == len(series):
                next(steps, None)  # ends the bar
        return series.read(index)

    return replace(series, read=read)
