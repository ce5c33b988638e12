"""Arrays of an .npz archive whose declared sizes are checked before any memory is asked for."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, final

import numpy as np
from numpy.lib import format as npy

from scionwood import ReadError

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@final
@dataclass(frozen=True)
class Declared:
    """What the header of an array says.

    Attributes:
        name: of the array, without `.npy`.
        shape: of the array.
        dtype: of its values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def declared(path: Path) -> dict[str, Declared]:
    """The arrays of an archive, by name; only their headers are read.

    Args:
        path: the `.npz` file.

    Raises:
        ReadError: an array holds Python objects (a pickle), or declares another size than the
            archive has for it.
    """
    found = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            with archive.open(info) as file:
                name = info.filename.removesuffix(".npy")
                array = Declared(name, *_header(path, name, file))
                _check(path, array, info.file_size - file.tell())
            found[name] = array
    return found


def read_array(path: Path, name: str) -> np.ndarray:
    """One array whose declaration was looked at; pickles are refused.

    Args:
        path: the `.npz` file.
        name: of the array.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        found: np.ndarray = npy.read_array(file, allow_pickle=False)
    return found


def write_changed(source: Path, target: Path, changed: dict[str, np.ndarray]) -> None:
    """Copy an archive with some of its arrays replaced; names, order and compression stay.

    Args:
        source: the `.npz` file.
        target: where to write.
        changed: arrays by name.
    """
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        for info in before.infolist():
            array = changed.get(info.filename.removesuffix(".npy"))
            copy = zipfile.ZipInfo(info.filename, info.date_time)
            copy.compress_type, copy.external_attr = info.compress_type, info.external_attr
            with after.open(copy, "w", force_zip64=True) as file:
                if array is not None:
                    npy.write_array(file, array, allow_pickle=False)
                    continue
                with before.open(info) as old:
                    while block := old.read(1 << 20):
                        file.write(block)


def _header(path: Path, name: str, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = npy.read_magic(file)
    if version not in _HEADERS:
        rule = f"npz: array {name!r} has the header of version {version}"
        raise ReadError(str(path), rule, "Write it again with numpy.savez")
    shape, _, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        rule = f"npz: array {name!r} holds Python objects, whose pickle can run code"
        raise ReadError(str(path), rule, "Ask for an archive of numbers")
    return tuple(int(n) for n in shape), dtype


def _check(path: Path, array: Declared, inside: int) -> None:
    if min(array.shape, default=0) < 0 or array.nbytes != inside:
        rule = f"npz: {array.name!r} declares {array.nbytes:,} bytes, the archive has {inside:,}"
        raise ReadError(str(path), rule, "Copy it again: it is cut, or its header is wrong")
