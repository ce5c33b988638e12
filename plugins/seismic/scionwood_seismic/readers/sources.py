"""A common interface to the traces of stream files: their headers, samples, and storage."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from scionwood import ReadError
from scionwood_seismic.readers.grouping import Header

with warnings.catch_warnings():  # ObsPy lists its plugins through an interface that is deprecated
    warnings.filterwarnings("ignore", "SelectableGroups", DeprecationWarning)
    import obspy

__all__ = ["Format", "Source", "Spans", "Values", "header_of", "obspy", "read_stream"]

Format = Literal["MSEED", "SAC", "SU", "SEG2"]
Values = Callable[[int, int, int], np.ndarray]
"""Trace, first sample and end -> the new samples, as stored."""

Spans = Sequence[tuple[Sequence[int], int, int]]
"""Traces, and the first sample and the end of a range of their samples."""

_DAMAGE = ("Last record", "Not a SEED record", "Unexpected end of file")
_HARMLESS = ("Sample spacing read from SAC", "Many companies use custom", "Non-zero value found")
"""Warnings of ObsPy about valid files. SEG-2 delays, for example, are read by this module."""


class Source(ABC):
    """The traces of one file, in the order of the file.

    Attributes:
        headers: the header of each trace, for grouping.
        starts: the absolute time of each first sample, ISO 8601; empty if it is not known.
        delays: the time of each first sample after the shot, s.
    """

    headers: list[Header]
    starts: list[str]
    delays: list[float]

    @abstractmethod
    def rows(self, traces: Sequence[int], first: int, last: int) -> list[np.ndarray]:
        """Return a range of the samples of some traces, (time,) each, as stored."""

    @abstractmethod
    def dtype(self, i: int) -> np.dtype:
        """Return the type in which the file stores the samples of a trace.

        Raises:
            WriteError: that type cannot be written.
        """

    @abstractmethod
    def write(self, copy: Path, spans: Spans, values: Values) -> None:
        """Store new samples in a copy of the file.

        Args:
            copy: a copy of the file.
            spans: the ranges of samples that cover all traces.
            values: returns the new samples of a range.

        Raises:
            WriteError: the samples cannot be packed.
        """


def header_of(trace: Any, first: Any, samples: int) -> Header:
    """Return the header of a trace of ObsPy.

    Args:
        trace: the trace.
        first: the first trace of the file.
        samples: the number of samples of the trace.
    """
    stats = trace.stats
    name = "" if stats._format == "SEG2" else trace.id  # SEG-2 has no channel names
    start = float(stats.starttime - first.stats.starttime)
    return Header(name, samples, float(stats.delta), start)


def read_stream(
    path: Path, form: Format, content: BinaryIO | None = None, *, headonly: bool = False
) -> Any:
    """Read a file with ObsPy; damage that ObsPy reports as a warning is an error here.

    Args:
        path: the file.
        form: its format.
        content: the bytes to read in place of the file.
        headonly: leave out the samples.

    Raises:
        ReadError: the file is damaged.
    """
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        try:
            stream = obspy.read(content or str(path), format=form, headonly=headonly)
        except Exception as error:  # on damaged files ObsPy raises any class, also Exception
            raise _damaged(path, form, error.__cause__ or error) from error
    for text in dict.fromkeys(str(remark.message) for remark in remarks):
        if any(mark in text for mark in _DAMAGE):
            raise _damaged(path, form, text)
        if not text.startswith(_HARMLESS):
            warnings.warn(f"{path.name}: {text}", stacklevel=6)
    return stream


def _damaged(path: Path, form: Format, reason: object) -> ReadError:
    name = {"MSEED": "miniSEED (.mseed)", "SEG2": "SEG-2 (.seg2)"}.get(form, form)
    first = next(iter(str(reason).strip().splitlines()), type(reason).__name__)
    return ReadError(str(path), f"damaged {name}: {first}", "Copy it again")
