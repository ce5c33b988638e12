"""The slices beside a gather of a file: those of the next inlines, crosslines or shots."""

from __future__ import annotations

from typing import final

import numpy as np
from torch import nn

from scionwood import RecipeError, Record
from scionwood_seismic.model.field_unet import FieldUNet
from scionwood_seismic.readers.base import SeismicReader
from scionwood_seismic.readers.index import header_word
from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.synth.field_volume import offsets_of

ALONG = {"iline": "xline", "xline": "iline"}
"""Header that identifies a slice -> the one that tells its traces apart; otherwise the offset."""

FARTHEST = 1.5
"""Numbers of neighbouring slices differ by at most this multiple of their usual difference."""


def neighbours_of(model: nn.Module) -> int:
    """Return how many slices on each side a model sees, with or without an adapter."""
    return max((x.neighbours for x in model.modules() if isinstance(x, FieldUNet)), default=0)


def choose_neighbours(number: int | None, model: nn.Module, reader: SeismicReader) -> int:
    """Return how many slices on each side a model gets of a file.

    Args:
        number: what the user says; None: what the model sees, if the file has it.
        model: the network of the run.
        reader: the file.

    Raises:
        RecipeError: the model does not see as many, or the file has no neighbouring slices.
    """
    count, problem = neighbours_of(model), _problem(reader)
    if number is None:
        return 0 if problem else count
    if number not in (0, count):
        rule = f"the run sees {count} slices on each side"
        remedy = "Leave --neighbours out, or train with backbone.neighbours and data.neighbours"
        raise RecipeError(f"neighbours {number}", rule, remedy)
    if number and problem:
        raise RecipeError(f"neighbours {number}", problem, "Leave --neighbours out")
    return number


def _problem(reader: SeismicReader) -> str:
    """Return why a file has no neighbouring slices, or nothing."""
    name = reader.path.name
    if not isinstance(reader, SegyReader):
        return f"{name} is not SEG-Y, whose headers say which gathers are neighbours"
    if len(reader.gather_names) < 2:
        return f"{name} is one gather"
    if len(reader) != len(reader.gather_names):
        return f"the gathers of {name} are so long that they are read in parts"
    return ""


@final
class Neighbours:
    """Return the slices beside a gather, trace by trace.

    Traces of two slices belong together if their crossline number (byte 193) is the same; in
    crosslines the inline number (189), and in other gathers the offset (37). If these say nothing,
    their order counts. Where there is no such trace or slice, the gather stands for it.

    Args:
        reader: the file; `choose_neighbours` has found it fit.
        count: slices on each side.
    """

    def __init__(self, reader: SegyReader, count: int) -> None:
        self.reader, self.count = reader, count
        names = reader.gather_names
        self._order = np.argsort(names, kind="stable")
        self._place = {int(names[index]): place for place, index in enumerate(self._order)}
        self._usual = float(np.median(np.diff(names[self._order])))
        self._read: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, record: Record) -> np.ndarray:
        """Return the slices in the order of `offsets_of`, (slice, trace, time) float32."""
        place = self._place[int(record.key[self.reader.gather or ""])]
        traces = record.coords["trace"]
        numbers = self._numbers(int(self._order[place]), traces)
        indices = [self._neighbour_index(place, offset) for offset in offsets_of(self.count)[1:]]
        for index in set(self._read) - {x for x in indices if x is not None}:
            del self._read[index]
        return np.stack([self._matched(record.data, numbers, index) for index in indices])

    def _neighbour_index(self, place: int, offset: int) -> int | None:
        """Return the index of a neighbouring gather; None if there is none near enough."""
        if not 0 <= place + offset < len(self._order):
            return None
        names = self.reader.gather_names
        index, other = (int(self._order[at]) for at in (place, place + offset))
        far = abs(int(names[other]) - int(names[index])) > FARTHEST * abs(offset) * self._usual
        return None if far else other

    def _matched(
        self, data: np.ndarray, trace_numbers: np.ndarray, index: int | None
    ) -> np.ndarray:
        """Return a neighbour with the traces of the record, which stands for those it lacks."""
        if index is None:
            return data.astype(np.float32)
        if index not in self._read:
            record = self.reader.read(index)
            numbers = self._numbers(index, record.coords["trace"])
            self._read[index] = record.data.astype(np.float32), numbers
        other, numbers = self._read[index]
        unique = all(len(set(x.tolist())) == len(x) for x in (trace_numbers, numbers))
        if not unique:
            return other if len(other) == len(data) else data.astype(np.float32)
        order = np.argsort(numbers)
        # A number that the neighbour lacks leads to some other trace, which the comparison below
        # drops.
        at = order[np.searchsorted(numbers, trace_numbers, sorter=order).clip(max=len(order) - 1)]
        return np.where((numbers[at] == trace_numbers)[:, None], other[at], data).astype(np.float32)

    def _numbers(self, index: int, traces: np.ndarray) -> np.ndarray:
        """Return what tells the traces of a gather apart, (trace,)."""
        if index in self._read:
            return self._read[index][1]
        name = ALONG.get(self.reader.gather or "", "offset")
        return header_word(self.reader.path, self.reader.layout, traces, name)
