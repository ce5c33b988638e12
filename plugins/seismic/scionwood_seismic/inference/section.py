"""Post-stack lines whose headers group their traces badly, taken as one section.

The traces of a stacked line may keep the field record of some shot, which then groups them by twos
and threes. If another header numbers all traces in their order, the file is one section.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from scionwood_seismic.inference.options import RequestOptions
from scionwood_seismic.readers.index import KEYS, header_words
from scionwood_seismic.readers.positions import open_binary
from scionwood_seismic.readers.segy import Gather, SegyReader

Options = TypeVar("Options", bound=RequestOptions)

USUAL: Gather = "fldr"
"""The header that identifies a gather, if none is asked for."""
FEW = 8
"""If the median gather has fewer traces, another header may say that the file is a section."""
NUMBERS = ("cdp", "iline", "xline")
"""Headers that may number the traces of a section."""


def choose_gathers(source: Path, options: Options) -> tuple[Options, str]:
    """Return options that say how the traces are grouped, and a line if that was decided.

    A section has gathers of few traces by the usual header, a header that rises or falls from trace
    to trace, and one offset. Shots have several offsets, and stay shots.

    Args:
        source: the noisy file.
        options: what the user wants; they are returned unchanged if they name a header.

    Returns:
        The options with the header, or with `none` for one section; and a line that says so.
    """
    if options.gather != "auto":
        return options, ""
    usual = replace(options, gather=USUAL)
    if options.slices:
        return usual, ""
    with usual.open(source) as reader:
        number = _number(reader) if isinstance(reader, SegyReader) else ""
        if not number or not isinstance(reader, SegyReader):
            return usual, ""
        lengths = reader.gather_lengths
    text = f"{len(lengths)} gathers of {np.median(lengths):.0f} traces by {USUAL}; {number} counts "
    text += f"the traces: taken as one section (--gather {USUAL} overrules)"
    return replace(options, gather="none"), text


def _number(reader: SegyReader) -> str:
    """Return the header that numbers the traces of a section; empty if the file is none."""
    if reader.traces < FEW or np.median(reader.gather_lengths) >= FEW:
        return ""
    fields = {name: (KEYS[name], "i4") for name in (*NUMBERS, "offset")}
    file = open_binary(reader.path)
    try:
        words = header_words(reader.path, file, reader.layout, fields)
    finally:
        os.close(file)
    if np.ptp(words["offset"]):
        return ""
    steps = {name: np.diff(words[name].astype(np.int64)) for name in NUMBERS}
    counting = (name for name, step in steps.items() if (step > 0).all() or (step < 0).all())
    return next(counting, "")
