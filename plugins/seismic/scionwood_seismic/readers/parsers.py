"""Samples of further formats of the readers, which `scionwood check --fuzz` damages."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import obspy

from scionwood_kit import Parser
from scionwood_seismic.readers.streams import StreamReader

_FORMATS = {".sac": "SAC", ".su": "SU", ".miniseed": "MSEED", ".seg2": "SEG2"}


class Streams(Parser):
    """Records of SAC, Seismic Unix, SEG-2 and Steim-compressed miniSEED files."""

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
        if path.suffix == ".seg2":
            path.write_bytes(_seg2(np.stack([pulse, -pulse]).astype("<f4")))
            return
        if path.suffix == ".miniseed":
            trace = obspy.Trace((1000 * pulse).astype(np.int32), header)
            trace.write(str(path), format="MSEED", encoding="STEIM2")
            return
        trace = obspy.Trace(pulse.astype(np.float32), header)
        trace.stats.starttime = obspy.UTCDateTime(2000, 1, 1)
        trace.write(str(path), format=_FORMATS[path.suffix])


def _seg2(data: np.ndarray) -> bytes:
    """Return a SEG-2 file of traces (trace, sample) at 100 Hz; see Pullan, 1990."""
    acquisition = _strings("ACQUISITION_DATE 01/Jan/2000", "ACQUISITION_TIME 00:00:00")
    block = 32 + len(channel := _strings("CHANNEL_NUMBER 1", "SAMPLE_INTERVAL 0.01"))
    first = 32 + 4 * len(data) + len(acquisition)
    pointers = [first + number * (block + data[0].nbytes) for number in range(len(data))]
    ends = b"\1\0\0\1\n\0"  # of strings and of lines: the size, and two characters
    head = struct.pack("<4H6s18x", 0x3A55, 1, 4 * len(data), len(data), ends)
    out = head + struct.pack(f"<{len(data)}I", *pointers) + acquisition
    for row in data:
        fixed = struct.pack("<HHIIB19x", 0x4422, block, row.nbytes, row.size, 4)
        out += fixed + channel + row.tobytes()
    return out


def _strings(*texts: str) -> bytes:
    """Return free-form strings, each after the distance to the next; a distance of 0 ends them."""
    parts = [struct.pack("<H", len(text) + 3) + text.encode() + b"\0" for text in texts]
    return b"".join(parts) + b"\0\0"
