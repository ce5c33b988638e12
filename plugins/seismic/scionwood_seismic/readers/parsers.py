"""Samples of further formats of the readers, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import obspy

from scionwood.testing import Parser
from scionwood_seismic.readers.streams import StreamReader

_FORMATS = {".sac": "SAC", ".su": "SU", ".miniseed": "MSEED"}


class Streams(Parser):
    """Records of SAC, Seismic Unix and Steim-compressed miniSEED files."""

    suffixes = tuple(_FORMATS)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the records of the file."""
        with StreamReader(path) as reader:
            return [record.data for record in reader]

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a trace of 400 samples at 100 Hz in the format of the ending."""
        pulse = np.exp(-(((np.arange(400) - 100) / 5) ** 2))
        header = {"sampling_rate": 100.0, "network": "XX", "station": "SAMPL", "channel": "HHZ"}
        if path.suffix == ".miniseed":
            trace = obspy.Trace((1000 * pulse).astype(np.int32), header)
            trace.write(str(path), format="MSEED", encoding="STEIM2")
            return
        trace = obspy.Trace(pulse.astype(np.float32), header)
        trace.stats.starttime = obspy.UTCDateTime(2000, 1, 1)
        trace.write(str(path), format=_FORMATS[path.suffix])
