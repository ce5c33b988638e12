"""Arrays of an .npz archive; their declared sizes are checked before memory is allocated."""

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
    """The header of an array.

    Attributes:
        name: name of the array, without `.npy`.
        shape: shape of the array.
        dtype: type of its values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Size of the array in memory, in bytes."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


def declared(path: Path) -> dict[str, Declared]:
    """Read the headers of the arrays in an archive.

    Args:
        path: the `.npz` file.

    Returns:
        The headers by name of the array.

    Raises:
        ReadError: an array holds Python objects (a pickle), or its declared size differs from its
            size in the archive.
    """
    headers = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            with archive.open(info) as file:
                name = info.filename.removesuffix(".npy")
                array = Declared(name, *_header(path, name, file))
                _check(path, array, info.file_size - file.tell())
            headers[name] = array
    return headers


def read_array(path: Path, name: str) -> np.ndarray:
    """Read one array whose header was checked by `declared`; pickles are refused.

    Args:
        path: the `.npz` file.
        name: name of the array.
    """
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        array: np.ndarray = npy.read_array(file, allow_pickle=False)
    return array


def write_changed(source: Path, target: Path, changed: dict[str, np.ndarray]) -> None:
    """Copy an archive with some arrays replaced; names, order and compression are kept.

    Args:
        source: the `.npz` file.
        target: file to write.
        changed: new arrays by name.
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
        rule = f"npz: array {name!r} has a header of the unknown version {version}"
        raise ReadError(str(path), rule, "Write it again with numpy.savez")
    shape, _, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        rule = f"npz: array {name!r} holds Python objects, whose pickle can run code"
        raise ReadError(str(path), rule, "Ask for an archive of numbers")
    return tuple(int(n) for n in shape), dtype


def _check(path: Path, array: Declared, inside: int) -> None:
    if min(array.shape, default=0) < 0 or array.nbytes != inside:
        rule = f"npz: {array.name!r} declares {array.nbytes:,} bytes, the archive has {inside:,}"
        raise ReadError(str(path), rule, "Copy it again: it is truncated, or its header is wrong")
