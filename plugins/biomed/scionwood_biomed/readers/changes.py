"""Apply a function to a record for `Reader.rewrite`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from scionwood import Record, WriteError


def new_data(
    path: Path, record: Record, function: Callable[[Record], np.ndarray]
) -> np.ndarray | None:
    """Return the data that a function makes of a record, or `None` if no value changes.

    Args:
        path: the file that an error names.
        record: the record; the function receives a copy of its data.
        function: returns the new data in the same shape.

    Raises:
        WriteError: the shape changed.
    """
    data = np.asarray(function(Record(record.key, record.data.copy(), record.coords)))
    if data.shape != record.data.shape:
        rule = f"the new data has shape {data.shape}, and the record has {record.data.shape}"
        raise WriteError(str(path), rule, "Return data of the same shape")
    return data if (data != record.data).any() else None
