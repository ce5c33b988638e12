"""The storage of a frozen prefix's features: rows of one width by the key of their sample."""

from __future__ import annotations

import os
import uuid
import warnings
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from scionwood import TrainingError
from scionwood.authoring import writing

Bytes: TypeAlias = NDArray[np.uint8]

KEY = 32
"""Bytes of a key, a SHA-256."""
_SUM = 4


@final
class Rows:
    """Rows of bytes by key, up to a budget; later rows are not stored, with one warning.

    They lie in memory, or in the files `*.rows` of a folder, which processes and runs can share. A
    file is a sequence of records: key, row, and the CRC-32 of both, little-endian. Each process
    appends to its own file, so that none waits for another. A record that is cut, or whose
    checksum is wrong, is not used: its sample is computed again.

    Args:
        width: bytes of a row.
        budget: bytes that all rows together may take.
        folder: a folder for rows of one width and nothing else; it is created if it is missing.
            `None` means memory.
    """

    def __init__(self, width: int, budget: int, folder: Path | None = None) -> None:
        if not 0 < width <= budget:
            rule = f"a sample's features take {width} bytes"
            raise TrainingError(f"a budget of {budget} bytes", rule, "Raise the budget")
        self._capacity, self._told = budget // width, False
        self._record = KEY + width + _SUM
        self._folder, self._files = folder, list[BinaryIO]()
        self._own: tuple[BinaryIO, BinaryIO] | None = None
        self._places: dict[bytes, list[tuple[BinaryIO, int]]] = {}
        if folder is None:
            return
        with writing(f"features in {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
        # The newer of two records counts.
        paths = folder.glob("*.rows")
        for path in sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name)):
            file = self._open(path)
            for at in range(0, os.fstat(file.fileno()).st_size - self._record + 1, self._record):
                file.seek(at)
                self._places.setdefault(file.read(KEY), []).append((file, at))

    def __len__(self) -> int:
        return len(self._places)

    def read(self, keys: Sequence[bytes]) -> Bytes | None:
        """Return a copy of the rows of some keys; `None` if one of them is missing or damaged.

        Returns:
            (key, width) uint8.
        """
        if not all(key in self._places for key in keys):
            return None
        cached_rows = [row for key in keys if (row := self._get(key)) is not None]
        return np.stack(cached_rows) if len(cached_rows) == len(keys) else None

    def write(self, keys: Sequence[bytes], rows: Bytes) -> None:
        """Store rows whose keys are new. rows: (key, width) uint8."""
        new = {key: row for key, row in zip(keys, rows, strict=True) if key not in self._places}
        room = max(0, self._capacity - len(self))
        if len(new) > room and not self._told:
            self._told = True
            warnings.warn(
                f"the cache of the frozen prefix is full with {self._capacity} samples; the others "
                "are computed every time. Raise its budget, or store bfloat16",
                stacklevel=2,
            )
        with writing(f"features in {self._folder}"):
            for key, row in list(new.items())[:room]:
                self._own = self._own or self._begin()
                writer, reader = self._own
                body, at = key + row.tobytes(), writer.seek(0, os.SEEK_END)
                # A full disk first writes a part, and reports the error at the next attempt only.
                view = memoryview(body + _checksum(body))
                while view:
                    view = view[writer.write(view) :]
                self._places[key] = [(reader, at)]

    def close(self) -> None:
        """Release the memory and close the files."""
        for file in self._files:
            file.close()
        self._files.clear()
        self._places.clear()
        self._own = None

    def _open(self, path: Path) -> BinaryIO:
        file = path.open("rb", buffering=0)
        self._files.append(file)
        return file

    def _begin(self) -> tuple[BinaryIO, BinaryIO]:
        if self._folder is None:
            memory = BytesIO()
            self._files.append(memory)
            return memory, memory
        path = self._folder / f"{uuid.uuid4().hex}.rows"
        writer = path.open("xb", buffering=0)
        self._files.append(writer)
        return writer, self._open(path)

    def _get(self, key: bytes) -> Bytes | None:
        places = self._places[key]
        while places:
            file, at = places[-1]
            file.seek(at)
            record = file.read(self._record)
            body, checksum = record[:-_SUM], record[-_SUM:]
            if len(record) == self._record and _checksum(body) == checksum and body[:KEY] == key:
                return np.frombuffer(body, np.uint8, offset=KEY)
            places.pop()
            warnings.warn(
                f"{file.name}: the record at byte {at} is damaged, so that its sample is computed "
                "again. Delete the file if this warning comes often",
                stacklevel=3,
            )
        del self._places[key]
        return None


def _checksum(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(_SUM, "little")
