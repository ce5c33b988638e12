"""Properties of all seismic readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from case_table import table

from scionwood_seismic.readers.base import SeismicReader, encode
from scionwood_seismic.readers.das import DasReader
from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.readers.streams import StreamReader


@table("kind", [SegyReader, StreamReader, DasReader])
def test_reads_a_record_without_the_previous_ones(
    tmp_path: Path, kind: type[SeismicReader]
) -> None:
    path = tmp_path / f"sample{kind.suffixes[0]}"
    kind.write_sample(path)
    with kind(path) as reader:  # type: ignore[call-arg]
        for index, record in reversed(list(enumerate(reader))):
            again = reader.read(index)
            assert again.key == record.key
            np.testing.assert_array_equal(again.data, record.data)


@table("kind", ["int8", "int16", "int32", "int64", "uint16", "uint64"])
def test_integers_are_clipped_to_their_own_range(kind: str) -> None:
    info = np.iinfo(kind)
    encoded, clipped = encode(np.array([-1e30, 0.4, 1e30]), np.dtype(kind))
    assert clipped == 2
    assert encoded[1] == 0
    assert encoded[0] == info.min
    assert info.max * 0.999 < encoded[2] <= info.max
