"""Ask DASCore for the format of a file without running code that the file contains."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from scionwood import ReadError
from scionwood.authoring import reading

HDF5, TDMS = b"\x89HDF\r\n\x1a\n", b"TDSm"
JULIA = (b"HDF5-based Julia Data Format", b"Julia data file (HDF5)")
"""The first bytes of JLD2 and JLD files, before the HDF5 part."""

T = TypeVar("T")


def das_format(path: Path) -> tuple[str, str]:
    """Return DASCore's name and version of the format of a file.

    Raises:
        ReadError: DASCore is not installed, does not know the format or reports damage, or the
            file contains pickles.
    """
    try:
        import dascore  # noqa: F401
    except ImportError as error:
        rule = "DAS files are read by DASCore, which is not installed"
        raise ReadError(str(path), rule, "pip install dascore h5py") from error
    if b"dascore.core" in start(path):  # DASCore would unpickle it to identify the format
        rule = "a pickled DAS patch can run code when it is read"
        raise ReadError(str(path), rule, "Write it as DASDAE instead")
    try:
        name, version = _ask_format(path)
    except ReadError as error:
        if not start(path).startswith(JULIA):
            raise
        rule = f"a JLD2 file of Julia that is no DASVader recording: {error.rule}"
        remedy = "Save the array in Julia with HDF5.jl, or convert the file to DASDAE with DASCore"
        raise ReadError(str(path), rule, remedy) from error
    if name.lower() in ("pickle", "segy"):
        raise ReadError(str(path), f"{name} is not a DAS format", "Open it with `open_file`")
    return name, version


def _ask_format(path: Path) -> tuple[str, str]:
    from scionwood_seismic.readers.dascore_files import format_of

    if is_hdf5(path):
        from scionwood_seismic.readers.hdf5 import check_safe

        check_safe(path)
    return ask(path, "DAS (.h5)", partial(format_of, path))


def ask(path: Path, name: str, question: Callable[[], T]) -> T:
    """Return the answer of DASCore to a question about a file of the format `name`.

    Raises:
        ReadError: DASCore raises an exception.
    """
    try:
        return question()
    except ReadError:
        raise
    except Exception as error:  # on damaged files the readers of DASCore raise any exception
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        rule = f"DASCore cannot read it as {name} DAS data ({first})"
        raise ReadError(str(path), rule, "Is it another format, or cut short?") from error


def start(path: Path) -> bytes:
    """Return the first 512 bytes of a file.

    Raises:
        ReadError: the file does not exist or cannot be read.
    """
    with reading(path, "DAS"), path.open("rb") as file:
        return file.read(512)


def is_hdf5(path: Path) -> bool:
    """Return whether a file is HDF5; its signature may follow a user block."""
    import h5py

    return bool(h5py.is_hdf5(path))
