"""What to believe where the headers of a SEG-Y file contradict each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from scionwood import ReadError
from scionwood.authoring import reading
from scionwood_seismic.readers.binary_header import read_head
from scionwood_seismic.readers.index import header_words
from scionwood_seismic.readers.layout import Layout, layout_of, one_length, walk

UNSIGNED = 1 << 15  # from here on, a number of 16 bits may be meant to be negative
VALUES_SHOWN = 4  # values in a message


def read_consistent_headers(
    path: Path, file: int, layout: Layout, key: tuple[int, str] | None, *, check: bool
) -> tuple[Layout, dict[str, np.ndarray]]:
    """Read the headers of all traces, and once more if they change the layout.

    Args:
        path: the file.
        file: its descriptor.
        layout: what the binary header gives.
        key: position and type of the header that identifies a gather.
        check: whether the lengths in the trace headers may change the layout.

    Returns:
        The layout, and the words `ns`, `dt` and `key` of each trace.

    Raises:
        ReadError: see `consistent_layout`.
    """
    fields = {"ns": (115, "u2"), "dt": (117, "u2")} | ({"key": key} if key else {})
    words = header_words(path, file, layout, fields)
    believed = consistent_layout(path, layout, words["ns"]) if check else layout
    if believed.samples != layout.samples:
        words = header_words(path, file, believed, fields)
    return believed, words


def consistent_layout(path: Path, layout: Layout, counts: np.ndarray) -> Layout:
    """Return the layout that trace headers and binary header agree on.

    The number of samples of the binary header is the size of the file divided by a whole number of
    traces. Trace headers of another length are believed only if they lead from trace to trace to
    the end of the file.

    Args:
        path: the file.
        layout: what the binary header gives.
        counts: the number of samples in each trace header, (trace,) unsigned 16 bit.

    Returns:
        A layout, with a warning if something else was not believed.

    Raises:
        ReadError: the traces have several lengths.
    """
    stale = np.setdiff1d(counts, [0, layout.samples & 0xFFFF])
    if not len(stale):
        return layout
    with reading(path, "SEG-Y"), path.open("rb") as file:
        head = read_head(path, file, layout.endian)
        lengths = walk(file, head)
    if lengths:
        samples = one_length(path, lengths)
        text = f"the binary header gives {layout.samples} samples a trace; the trace headers give "
        text += f"{samples} and lead to the end of the file, so they were believed"
        return layout_of(head, samples, lengths[samples], text)
    text = f"trace headers give {_list(stale)} samples, the binary header {layout.samples}; the "
    text += f"size of the file fits {layout.samples}, which was believed (--samples overrules)"
    return replace(layout, warnings=(*layout.warnings, text))


def microseconds(
    path: Path, layout: Layout, intervals: np.ndarray
) -> tuple[float, tuple[str, ...]]:
    """Return the sample interval as the headers give it, and what was believed.

    Args:
        path: the file.
        layout: the contents of the binary header.
        intervals: the interval in each trace header, (trace,) unsigned 16 bit.

    Returns:
        The interval, 0 if no header gives it, and warnings.

    Raises:
        ReadError: the trace headers give several intervals.
    """
    values, counts = np.unique(intervals[intervals > 0], return_counts=True)
    binary = layout.interval
    if UNSIGNED <= binary < 2 * UNSIGNED and binary not in values:
        binary = 0.0  # a negative number, which no other header confirms
    usable = (values < UNSIGNED) | (values == binary)
    values, counts = values[usable].tolist(), counts[usable].tolist()
    if len(values) > 1:
        pairs = zip(values[:VALUES_SHOWN], counts[:VALUES_SHOWN], strict=True)
        listing = ", ".join(f"{value} in {count} traces" for value, count in pairs)
        rule = f"its trace headers give several sample intervals, in microseconds: {listing}"
        remedy = "Split the file by interval; if the headers are stale: --dt 0.004, in seconds"
        raise ReadError(str(path), rule, remedy)
    if binary <= 0:
        return float(values[0]) if values else 0.0, ()
    if not values or abs(binary - values[0]) <= 1:
        return binary, ()
    text = f"the trace headers give a sample interval of {values[0]}, the binary header {binary:g} "
    return binary, (text + "microseconds, which was believed (--dt overrules)",)


def _list(values: np.ndarray) -> str:
    more = f" and {len(values) - VALUES_SHOWN} others" if len(values) > VALUES_SHOWN else ""
    return ", ".join(map(str, values[:VALUES_SHOWN].tolist())) + more
