"""The traces of SU, SAC and SEG-2 files, whose samples NumPy reads from the file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np

from scionwood import WriteError
from scionwood_seismic.readers.flat import (
    Overrides,
    Samples,
    sac_samples,
    seg2_head,
    seg2_samples,
    su_samples,
)
from scionwood_seismic.readers.grouping import Header
from scionwood_seismic.readers.sources import (
    Format,
    Source,
    Spans,
    Values,
    header_of,
    read_stream,
)


@final
class FlatSource(Source):
    """SU, SAC and SEG-2, whose samples are stored as NumPy arrays."""

    def __init__(self, path: Path, form: Format, overrides: Overrides) -> None:
        self.path, self.form = path, form
        if form == "SU":
            self._samples = su_samples(path, overrides)
        else:
            self._samples = sac_samples(path) if form == "SAC" else seg2_samples(path)
        self.delays = [s.delay for s in self._samples]
        if form == "SU":
            self.headers = [Header("", s.count, s.dt, s.delay) for s in self._samples]
            self.starts = [""] * len(self._samples)
            return
        packed = any(sample.dtype is None for sample in self._samples)
        # SEG-2 with packed samples is kept, since NumPy cannot read them from the file.
        head = io.BytesIO(seg2_head(path)) if form == "SEG2" and not packed else None
        stream = read_stream(path, form, head, headonly=form == "SAC")
        self._stream = stream if packed else None
        self.headers = [
            header_of(trace, stream[0], samples.count)
            for trace, samples in zip(stream, self._samples, strict=True)
        ]
        self.starts = [str(trace.stats.starttime) for trace in stream]
        if form == "SEG2":
            self.delays = [float(trace.stats.seg2.get("DELAY", 0)) for trace in stream]

    def rows(self, traces: Sequence[int], first: int, last: int) -> list[np.ndarray]:
        """Return a range of the samples of some traces, (time,) each, as stored."""
        return [self._row(i, first, last) for i in traces]

    def _row(self, i: int, first: int, last: int) -> np.ndarray:
        samples: Samples = self._samples[i]
        if samples.dtype is None:
            assert self._stream is not None
            return np.asarray(self._stream[i].data)[first:last]
        at = samples.offset + first * samples.dtype.itemsize
        return np.fromfile(self.path, samples.dtype, last - first, offset=at)

    def dtype(self, i: int) -> np.dtype:
        """Return the type in which the file stores the samples of a trace."""
        dtype = self._samples[i].dtype
        if dtype is None:
            rule = "20 bit floats of SEG-2 (data format code 3) cannot be written"
            raise WriteError(str(self.path), rule, "Convert the file to SEG-Y first")
        return dtype

    def write(self, copy: Path, spans: Spans, values: Values) -> None:
        """Store new samples in a copy of the file."""
        with copy.open("r+b") as file:
            for traces, first, last in spans:
                for i in traces:
                    file.seek(self._samples[i].offset + first * self.dtype(i).itemsize)
                    file.write(values(i, first, last).tobytes())
