"""What DASCore makes of a file, asked so that nothing in the file is run as code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from scionwood import ReadError

HDF5, TDMS = b"\x89HDF\r\n\x1a\n", b"TDSm"

T = TypeVar("T")


def das_format(path: Path) -> tuple[str, str]:
    """DASCore's name and version of a file's format.

    Raises:
        ReadError: DASCore is not installed, does not know the format or finds it damaged; or the
            file holds pickles.
    """
    try:
        import dascore as dc
    except ImportError as error:
        rule = "DAS files are read by DASCore, which is not installed"
        raise ReadError(str(path), rule, "pip install 'scionwood-seismic[das]'") from error
    if b"dascore.core" in start(path):  # DASCore would unpickle it to find out
        rule = "a pickled DAS patch can run code when it is read"
        raise ReadError(str(path), rule, "Write it as DASDAE instead")
    if is_hdf5(path):
        from scionwood_seismic.readers.hdf5 import check_safe

        check_safe(path)
    name, version = ask(path, "DAS (.h5)", partial(dc.get_format, path))
    if name.lower() in ("pickle", "segy"):
        raise ReadError(str(path), f"{name} is no DAS format", "Open it with `open_reader`")
    return name, version


def ask(path: Path, name: str, question: Callable[[], T]) -> T:
    """The answer of DASCore about a file of the format `name`.

    Raises:
        ReadError: DASCore has none.
    """
    try:
        return question()
    except Exception as error:  # DASCore's readers raise whatever damage makes them raise
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        rule = f"DASCore cannot read it as {name} DAS data ({first})"
        raise ReadError(str(path), rule, "Is it another format, or cut short?") from error


def start(path: Path) -> bytes:
    """The first bytes of a file.

    Raises:
        ReadError: it is not there or not readable.
    """
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError as error:
        rule = f"no DAS file can be read there ({error.strerror})"
        raise ReadError(str(path), rule, "Check the path") from error


def is_hdf5(path: Path) -> bool:
    """Whether it is HDF5, wherever in the file that begins."""
    import h5py

    return bool(h5py.is_hdf5(path))  # its mark may follow a block of the user's own
