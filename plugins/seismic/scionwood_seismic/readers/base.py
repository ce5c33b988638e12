"""What every seismic reader offers beyond the core's contract, and how samples are stored again."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from scionwood import OutputExistsError, Reader, Record, WriteError
from scionwood_seismic.readers.samples import integer_limits


class SeismicReader(Reader):
    """A reader whose records are gathers, (trace, time).

    Attributes:
        path: the file.
        dt: the sample interval, s; m where `vertical` is depth.
        traces: the traces of the whole file.
        vertical: whether the samples follow time or depth.
    """

    path: Path
    dt: float
    traces: int
    vertical: Literal["time", "depth"] = "time"

    def __iter__(self) -> Iterator[Record]:
        """The records in the file's order, read as they are asked for."""
        return (self.read(i) for i in range(len(self)))

    @abstractmethod
    def read(self, index: int) -> Record:
        """The record of that index, from 0, without reading those before it."""

    @abstractmethod
    def rewrite(
        self,
        target: Path,
        function: Callable[[Record], np.ndarray],
        *,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        """As in the core; `resume` goes on where a killed run of the same work stopped.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the disk is full, the data's shape changed, or the format cannot resume.
        """


def check_target(target: Path, *, overwrite: bool, resume: bool) -> None:
    """What a reader that cannot resume checks before it works.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: `resume` was asked for.
    """
    if resume:
        rule = "files of this format are written in one go and cannot be resumed"
        raise WriteError(str(target), rule, "Start again without resume")
    if target.exists() and not overwrite:
        raise OutputExistsError(str(target), "it exists already", "Give --force to replace it")


def changed_data(
    path: Path, record: Record, function: Callable[[Record], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """What the function makes of a record, and which samples it changed; both (trace, time).

    Raises:
        WriteError: the shape changed.
    """
    before = record.data.copy()  # the function may work in place
    after = np.asarray(function(record))
    if after.shape != before.shape:
        rule = f"record {dict(record.key)} came back as {after.shape}, it was {before.shape}"
        raise WriteError(str(path), rule, "A function must keep the shape")
    return after, ~((after == before) | (np.isnan(after) & np.isnan(before)))


def encode(data: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """The samples in the file's type, and how many were outside its range.

    Integers are rounded and clipped to their range.

    Raises:
        WriteError: NaN, which no integer is.
    """
    if not np.issubdtype(dtype, np.integer):
        return data.astype(dtype), 0
    if np.isnan(data).any():
        raise WriteError("NaN", f"the file stores {kind(dtype)}", "Keep the samples finite")
    limits = integer_limits(8 * dtype.itemsize, signed=dtype.kind == "i")
    rounded = np.rint(data.astype(np.float64))
    clipped = np.clip(rounded, *limits)
    return clipped.astype(dtype), int((clipped != rounded).sum())


def warn_rounded(path: Path, dtype: np.dtype, clipped: int) -> None:
    """Say that integers were rounded, and how many clipped; silent for floats."""
    if np.issubdtype(dtype, np.integer):
        text = f"{path.name} stores {kind(dtype)}: samples were rounded, {clipped} clipped"
        warnings.warn(text, stacklevel=3)


def kind(dtype: np.dtype) -> str:
    """The type in words, such as 16 bit integers."""
    return f"{dtype.itemsize * 8} bit integers"
