"""Choose one of the shipped models for a file or an array, and say why."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from scionwood import RecipeError
from scionwood.authoring import reading
from scionwood_seismic.inference.envelope import FEWEST
from scionwood_seismic.inference.options import Model
from scionwood_seismic.synth.canonical import Domain

if TYPE_CHECKING:  # arrays need no library of a file format
    from scionwood_seismic.readers.base import SeismicReader
    from scionwood_seismic.readers.segy import SegyReader
    from scionwood_seismic.readers.streams import StreamReader

FIBRE_DT, FIBRE_TRACES = 1.1e-3, 200
"""A SEG-Y file without offsets is from a fibre if it is as finely sampled and as wide."""

STACKED = 4  # the sorting code of horizontally stacked files, bytes 3229-3230
LOOKED_AT = 500  # trace headers, evenly spaced
_SEISMOMETER = re.compile(r"(^|\.)[A-Z][HLNGPDM][A-Z0-9]$")
"""The end of a SEED channel name of a seismometer, an accelerometer or a geophone."""


@final
@dataclass(frozen=True)
class Choice:
    """A model, and why it was chosen.

    Attributes:
        name: `shot`, `stack`, `das` or `station`.
        why: a clause that completes "model NAME, because".
    """

    name: Domain
    why: str


def choose(reader: SeismicReader, model: Model = "auto") -> Choice:
    """Choose the model for a file by its format, its traces and its headers.

    Args:
        reader: the open file.
        model: `auto`, or the name of the model that the user wants.

    Raises:
        RecipeError: no gather of the file has as many traces as the wanted model needs.
    """
    if model != "auto":
        _check_traces(reader, model)
        return Choice(model, "it was asked for")
    from scionwood_seismic.readers.das import DasReader
    from scionwood_seismic.readers.segy import SegyReader
    from scionwood_seismic.readers.streams import StreamReader
    from scionwood_seismic.readers.xdas import XdasReader

    if isinstance(reader, (DasReader, XdasReader)):
        return Choice("das", "the file is of a fibre-optic interrogator")
    if isinstance(reader, StreamReader):
        return _for_stream(reader)
    if isinstance(reader, SegyReader):
        return _for_segy(reader)
    return for_array(reader.traces, reader.dt)


def run_of(name: str) -> str:
    """Return the reference of the shipped run of a model."""
    return f"seismic/{name}"


def for_array(traces: int, dt: float | None) -> Choice:
    """Choose the model for an array, which has no headers.

    Args:
        traces: number of traces.
        dt: the sample interval, s; None if it is not known.

    Example:
        >>> for_array(3, 0.01).name, for_array(120, 0.004).name
        ('station', 'shot')
    """
    if traces <= 3:
        return Choice("station", f"{traces} traces are the components of a station, not a gather")
    if dt is not None and dt <= FIBRE_DT and traces >= FIBRE_TRACES:
        return Choice("das", f"{traces} traces at {1e3 * dt:g} ms are most likely those of a fibre")
    return Choice("shot", f"an array of {traces} traces says no more; stack and das are at choice")


def for_channel(name: str, traces: int, dt: float) -> Choice:
    """Choose the model for traces that have SEED channel names.

    Args:
        name: the name of the first trace, such as `XX.ABC..HHZ`.
        traces: number of traces.
        dt: the sample interval, s.
    """
    if _SEISMOMETER.search(name):
        return Choice("station", f"channel {name} is of a seismometer")
    if traces <= 3:
        return for_array(traces, dt)
    return Choice("das", f"{traces} channels such as {name} are not those of a seismometer")


def _for_stream(reader: StreamReader) -> Choice:
    first = reader.read(0)
    traces = len(first.data)
    if reader.format in ("MSEED", "SAC"):
        if reader.components:
            letters = ", ".join(reader.components)
            return Choice("station", f"the traces are the components {letters} of a station")
        return for_channel(str(first.key.get("channel", "")), traces, reader.dt)
    if traces < FEWEST["shot"]:
        return for_array(traces, reader.dt)
    return Choice("shot", f"{reader.format} with {traces} traces a gather")


def _for_segy(reader: SegyReader) -> Choice:
    longest = int(reader.gather_lengths.max())
    if reader.traces <= FEWEST["station"]:
        return for_array(reader.traces, reader.dt)
    words = _headers(reader)
    offsets = np.abs(words["offset"])
    if _sorting_code(reader) == STACKED:
        return Choice("stack", "its sorting code (bytes 3229-3230) says stacked")
    if offsets.any():
        return Choice("shot", f"its offsets go from {offsets.min():g} to {offsets.max():g}")
    if reader.vertical == "depth":
        return Choice("stack", "it is in depth and without offsets")
    if _spread(words["inline"]) and _spread(words["crossline"]):
        return Choice("stack", "it has inlines and crosslines, and no offsets")
    if reader.dt <= FIBRE_DT and longest >= FIBRE_TRACES:
        return for_array(longest, reader.dt)
    if _spread(words["cdp"]) and not _spread(words["shot"]):
        return Choice("stack", "it has CDP numbers, and neither offsets nor several shots")
    return Choice("shot", f"{longest} traces a gather, and no header says stacked")


def _check_traces(reader: SeismicReader, model: Domain) -> None:
    if len(reader.components) > 1 and model != "station":
        letters = ", ".join(reader.components)
        rule = f"the traces of {reader.path.name} are the components {letters} of a station, "
        rule += "and not neighbours of a gather"
        raise RecipeError(f"model {model}", rule, "Choose --model station")
    fewest, lengths = FEWEST[model], getattr(reader, "gather_lengths", None)  # SEG-Y has them
    longest = int(lengths.max()) if lengths is not None else reader.traces
    if longest >= fewest:
        return
    rule = f"{model} needs gathers of {fewest} traces or more, and {reader.path.name} has {longest}"
    remedy = "Choose --model station, or gathers of more traces with --gather"
    raise RecipeError(f"model {model}", rule, remedy)


def _headers(reader: SegyReader) -> dict[str, np.ndarray]:
    """Return some trace headers of evenly spaced traces."""
    from scionwood_seismic.readers.index import read_headers
    from scionwood_seismic.readers.positions import open_binary

    fields = {"shot": 9, "cdp": 21, "offset": 37, "inline": 189, "crossline": 193}
    trace_indices = np.unique(np.linspace(0, reader.traces - 1, LOOKED_AT).astype(int))
    file = open_binary(reader.path)
    try:
        rows = read_headers(reader.path, file, reader.layout, trace_indices)
    finally:
        os.close(file)
    kind: Any = reader.layout.order + "i4"
    return {
        name: np.ascontiguousarray(rows[:, byte - 1 : byte + 3]).view(kind)[:, 0]
        for name, byte in fields.items()
    }


def _sorting_code(reader: SegyReader) -> int:
    with reading(reader.path, "SEG-Y"), reader.path.open("rb") as file:
        file.seek(3228)
        return int(np.frombuffer(file.read(2), reader.layout.order + "i2")[0])


def _spread(values: np.ndarray) -> bool:
    """Return whether a header field is used: it has several values, none of them negative."""
    return bool(values.min() >= 0 and values.max() > values.min())
