"""What the readers share: records by index, and new data for a record."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scionwood import Reader, Record, WriteError
from scionwood.authoring import RecordFunction


class IndexedReader(Reader, ABC):
    """A reader whose records can be read in any order."""

    path: Path

    @abstractmethod
    def read(self, index: int) -> Record:
        """Read a record by its index, from 0."""

    def __iter__(self) -> Iterator[Record]:
        for index in range(len(self)):
            yield self.read(index)

    def check_index(self, index: int, kind: str) -> None:
        """Refuse an index outside the file.

        Args:
            index: the index of a record.
            kind: what a record is, for the message.

        Raises:
            IndexError: the index is negative, or too large.
        """
        if not 0 <= index < len(self):
            rule = f"{self.path.name} has {len(self)}, counted from 0"
            raise IndexError(f"{kind} {index}: {rule}. Choose one of them")


def new_data(path: Path, record: Record, function: RecordFunction) -> np.ndarray | None:
    """Return the data that a function makes of a record, or `None` if no value changes.

    Args:
        path: the file that an error names.
        record: the record; the function receives a copy of its data.
        function: the function.

    Raises:
        WriteError: the shape changed.
    """
    data = np.asarray(function(Record(record.key, record.data.copy(), record.coords)))
    if data.shape != record.data.shape:
        rule = f"the new data has shape {data.shape}, and the record has {record.data.shape}"
        raise WriteError(str(path), rule, "Return data of the same shape")
    return data if (data != record.data).any() else None
