"""Ask DASCore for the patches of a file in a way that never reaches PyTables, which unpickles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dascore as dc
from dascore.utils.io import IOResourceManager

from scionwood_seismic.readers import dasdae
from scionwood_seismic.readers.dasdae import Span

PYTABLES_FORMATS = ("DASDAE", "H5Simple")
"""The formats that DASCore itself reads with PyTables, and `dasdae` with h5py."""


class _Handles(IOResourceManager):  # type: ignore[misc]  # dascore is untyped
    """Opens a file for a reader of DASCore with anything but PyTables."""

    def get_resource(self, required_type: Any) -> Any:
        opened_by = getattr(required_type, "constructor", required_type)
        if getattr(opened_by, "__module__", "").partition(".")[0] == "tables":
            raise ValueError("it would be read with PyTables, which can run code of the file")
        return super().get_resource(required_type)


def format_of(path: Path) -> tuple[str, str]:
    """Return DASCore's name and version of the format of a file.

    Raises:
        Exception: DASCore knows no such format.
    """
    with _Handles(path) as handles:
        name, version = dc.get_format(handles)
        return str(name), str(version)


def scan(path: Path, form: tuple[str, str]) -> list[Any]:
    """Return the summaries of the patches of a file, without reading samples.

    Raises:
        Exception: the file is damaged, or would be read with PyTables.
    """
    if form[0] in PYTABLES_FORMATS:
        return list(dasdae.scan(path, form[0]))
    with _Handles(path) as handles:
        return list(dc.scan(handles, *form))


def read(path: Path, form: tuple[str, str], time: Span = None) -> list[Any]:
    """Return the patches of a file in a span of time.

    Raises:
        Exception: the file is damaged, or would be read with PyTables.
    """
    if form[0] in PYTABLES_FORMATS:
        return list(dasdae.read(path, form[0], time))
    with _Handles(path) as handles:
        return list(dc.read(handles, *form, time=time))
