"""The interface of seismic readers beyond the core's contract, and the encoding of samples."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from scionwood import Reader, ReadError, Record, WriteError
from scionwood.authoring import RecordFunction
from scionwood_seismic.readers.samples import integer_limits


class SeismicReader(Reader):
    """A reader whose records are gathers, (trace, time).

    Attributes:
        path: the file.
        dt: the sample interval, s; m if `vertical` is "depth".
        traces: number of traces in the file.
        vertical: whether the samples are in time or in depth.
        dx: the distance between the traces of the first gather, m; None if the file does not give
            it.
        components: the component letters of the traces, such as ("Z", "N", "E"), if each record
            has the traces of one sensor; empty if the traces of a record are spread in space.
        warnings: what was believed where the file contradicts itself, and what was left out. Each
            text was also a `UserWarning` when the file was opened.
        resumed: the number of traces that a resumed `rewrite` found done.
    """

    path: Path
    dt: float
    traces: int
    vertical: Literal["time", "depth"] = "time"
    dx: float | None = None
    components: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    resumed: int = 0

    @property
    def traces_read(self) -> int:
        """The number of traces in all records, which may share traces."""
        return self.traces

    def unit(self, record: Record) -> float | None:
        """Return the amplitude of the whole gather if a record is only a part of it."""
        return None

    def warn(self) -> None:
        """Issue the texts of `warnings`."""
        for text in self.warnings:
            warnings.warn(f"{self.path.name}: {text}", stacklevel=4)

    def __iter__(self) -> Iterator[Record]:
        """Yield the records in the order of the file, each read on demand."""
        return (self.read(i) for i in range(len(self)))

    @abstractmethod
    def read(self, index: int) -> Record:
        """Read the record of an index, from 0, without reading the records before it."""

    @abstractmethod
    def rewrite(
        self,
        target: str | Path,
        function: RecordFunction,
        *,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        """Write a copy of the file with the data of each record replaced by `function(record)`.

        Args:
            target: the file to write; it appears complete or not at all.
            function: maps a record to data of the same shape.
            overwrite: replace an existing file.
            resume: continue a stopped run of the same work.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the file cannot be written, the shape of the data changed, or the format
                cannot be resumed.
        """


def refuse_resume(target: Path, resume: bool) -> None:
    """Refuse to resume, in a reader that cannot.

    Raises:
        WriteError: `resume` is true.
    """
    if resume:
        rule = "files of this format are written in one pass and cannot be resumed"
        raise WriteError(str(target), rule, "Start again without resume")


def refuse_overrides(path: Path, samples: int | None, endian: str | None) -> None:
    """Refuse options that overrule headers, in a format whose headers are part of its structure.

    Raises:
        ReadError: an option was given.
    """
    if samples is not None or endian is not None:
        rule = "samples and endian overrule the headers of SEG-Y and SU files only"
        raise ReadError(str(path), rule, "Leave them out: this format states both itself")


def refuse_interval(path: Path, file_dt: float, dt: float | None) -> None:
    """Refuse a sample interval that contradicts that of the file.

    Args:
        path: the file.
        file_dt: the interval of the file, s.
        dt: the interval that the user gives, s; None: none.

    Raises:
        ReadError: they differ by more than a thousandth.
    """
    if dt is not None and abs(file_dt - dt) > 1e-3 * file_dt:
        rule = f"the file gives a sample interval of {file_dt:g} s, --dt {dt:g} contradicts it"
        raise ReadError(str(path), rule, "Leave --dt out, or correct the file with its own library")


def changed_data(
    path: Path, record: Record, function: RecordFunction
) -> tuple[np.ndarray, np.ndarray]:
    """Apply the function to a record.

    Args:
        path: the name of the file, for errors.
        record: the record.
        function: maps a record to data of the same shape.

    Returns:
        The new data, and which samples changed; both (trace, time).

    Raises:
        WriteError: the shape changed.
    """
    before = record.data.copy()  # the function may work in place
    after = np.asarray(function(record))
    if after.shape != before.shape:
        rule = f"record {dict(record.key)} came back as {after.shape}, it was {before.shape}"
        raise WriteError(str(path), rule, "A function must keep the shape")
    same: np.ndarray = (after == before) | (np.isnan(after) & np.isnan(before))
    return after, ~same


def encode(data: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """Convert samples to the type of the file. Integers are rounded and clipped to their range.

    Args:
        data: the samples, any shape.
        dtype: the type of the file.

    Returns:
        The samples in that type, and the number of samples that were outside its range.

    Raises:
        WriteError: a sample is NaN and the type is an integer.
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
    """Warn that integers were rounded, and how many were clipped; floats need no warning."""
    if np.issubdtype(dtype, np.integer):
        text = f"{path.name} stores {kind(dtype)}: samples were rounded, {clipped} clipped"
        warnings.warn(text, stacklevel=3)


def kind(dtype: np.dtype) -> str:
    """Return the name of an integer type, such as 16 bit integers."""
    return f"{dtype.itemsize * 8} bit integers"
