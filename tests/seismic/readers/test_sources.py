"""Stream files that are damaged or cannot be written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood import ReadError, Record, WriteError
from scionwood_seismic.readers.sources import obspy
from scionwood_seismic.readers.streams import StreamReader

OBSPY = Path(obspy.__file__).parent / "io"
MSEED, SAC, SEG2 = (OBSPY / name / "tests/data" for name in ("mseed", "sac", "seg2"))
SU = OBSPY / "segy/tests/data/1.su_first_trace"


@table(
    ("name", "reason"),
    [
        ("CDSN_encoding.mseed", "encoding CDSN cannot be written"),
        ("fullseed.mseed", "its control headers would be lost"),
        ("../../../seg2/tests/data/20180307_031245000.0.seg2", "20 bit floats of SEG-2"),
    ],
)
def test_refuses_an_unwritable_format_before_the_work(tmp_path, name, reason):
    calls: list[Record] = []
    with StreamReader(MSEED / name) as reader:
        assert len(list(reader)) > 0
        with pytest.raises(WriteError, match=reason):
            reader.rewrite(tmp_path / "out", lambda record: calls.append(record) or record.data)
    assert not calls
    assert not list(tmp_path.iterdir())


def test_leaves_no_file_if_steps_are_too_large_for_steim(tmp_path):
    path = tmp_path / "in.mseed"
    calm = obspy.Trace(
        np.zeros(40, np.int32), {"network": "XX", "station": "ABC", "channel": "HHZ"}
    )
    calm.write(str(path), format="MSEED", encoding="STEIM2")
    with (
        StreamReader(path) as reader,
        pytest.raises(WriteError, match=r"XX.ABC..HHZ cannot be packed as STEIM2"),
    ):
        reader.rewrite(tmp_path / "out.mseed", lambda record: 1e9 * (-1.0) ** np.arange(40)[None])
    assert [item.name for item in tmp_path.iterdir()] == ["in.mseed"]


@table("kind", ["mseed", "mseed_mid_record", "sac", "su", "seg2"])
def test_refuses_a_truncated_file(tmp_path, kind):
    whole = {
        "mseed": MSEED / "gaps.mseed",
        "mseed_mid_record": MSEED / "gaps.mseed",
        "sac": SAC / "test.sac",
        "su": SU,
        "seg2": SEG2 / "20180307_031245000.0.seg2",
    }[kind].read_bytes()
    path = tmp_path / f"cut.{kind.split('_')[0]}"
    path.write_bytes(whole[: len(whole) // 2 + 200 + (kind != "mseed_mid_record")])
    with pytest.raises(ReadError, match=f"(?i)cut.{path.suffix[1:]}"):
        StreamReader(path)


def test_refuses_a_log_without_numbers():
    path = MSEED / "encoding/fullASCII_bigEndian.mseed"
    with (
        pytest.warns(UserWarning, match="1 traces without numbers"),
        pytest.raises(ReadError, match="no trace in it has numbers"),
    ):
        StreamReader(path)
