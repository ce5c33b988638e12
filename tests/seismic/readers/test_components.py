"""Stations with several components, gaps, and channels of several rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.readers.sources import obspy
from scionwood_seismic.readers.streams import StreamReader


def mseed(path: Path, *channels: tuple[str, str], rate: float = 100.0, start: int = 0) -> Path:
    """Write channels, each a station and a channel code; append to a file that exists."""
    rng = np.random.default_rng(0)
    traces = [
        obspy.Trace(
            rng.standard_normal(400).astype(np.float32),
            {
                "network": "XX",
                "station": station,
                "channel": channel,
                "sampling_rate": rate,
                "starttime": obspy.UTCDateTime(2020, 1, 1) + start,
            },
        )
        for station, channel in channels
    ]
    with path.open("ab") as file:
        obspy.Stream(traces).write(file, format="MSEED")
    return path


def test_components_of_a_station_are_named(tmp_path):
    path = mseed(tmp_path / "a.mseed", ("ABC", "HHZ"), ("ABC", "HHN"), ("ABC", "HHE"))
    with StreamReader(path) as reader:
        (record,) = reader
        assert reader.components == ("Z", "N", "E")
    assert record.data.shape == (3, 400)


def test_each_station_with_components_is_a_record(tmp_path):
    channels = [(station, f"HH{c}") for c in "ZNE" for station in ("ABC", "DEF")]
    with StreamReader(mseed(tmp_path / "a.mseed", *channels)) as reader:
        assert [record.key["channel"] for record in reader] == ["XX.ABC..HHZ", "XX.DEF..HHZ"]
        assert [record.coords["trace"].tolist() for record in reader] == [[0, 2, 4], [1, 3, 5]]
        assert reader.components == ("Z", "N", "E")


def test_an_array_of_one_component_is_a_gather(tmp_path):
    channels = [(f"R{i:03}", "GHZ") for i in range(5)]
    with StreamReader(mseed(tmp_path / "a.mseed", *channels)) as reader:
        assert (len(reader), reader.components) == (1, ())
    SegyReader.write_sample(tmp_path / "a.sgy")
    with SegyReader(tmp_path / "a.sgy") as reader:
        assert reader.components == ()


@table(("channel", "components"), [("HHZ", ("Z",)), ("HSF", ()), ("1", ())])
def test_a_single_channel(tmp_path, channel, components):
    """HSF is the strain along a fibre."""
    with StreamReader(mseed(tmp_path / "a.mseed", ("ABC", channel))) as reader:
        assert reader.components == components


def test_gaps_are_said_and_overlaps_are_not(tmp_path):
    path = mseed(tmp_path / "a.mseed", ("ABC", "HHZ"))
    mseed(path, ("ABC", "HHZ"), start=10)
    with pytest.warns(UserWarning, match=r"1 gap, the longest of 6 s in XX\.ABC\.\.HHZ"):
        reader = StreamReader(path)
    with reader:
        assert (len(reader), len(reader.warnings)) == (2, 1)
    overlapping = mseed(mseed(tmp_path / "b.mseed", ("ABC", "HHZ")), ("ABC", "HHZ"), start=3)
    with StreamReader(overlapping) as reader:
        assert reader.warnings == ()


def test_several_rates_are_said(tmp_path):
    path = mseed(mseed(tmp_path / "a.mseed", ("ABC", "HHZ")), ("ABC", "BHZ"), rate=20.0)
    with pytest.warns(UserWarning, match=r"several sample intervals \(0\.01, 0\.05 s\)"):
        reader = StreamReader(path)
    with reader:
        assert [record.coords["time"][1] for record in reader] == [0.01, 0.05]
