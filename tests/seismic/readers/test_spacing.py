"""The distance between traces, from coordinates that segyio writes."""

import pytest
import segyio

from scionwood_seismic.readers.segy import SegyReader


@pytest.mark.parametrize(("units", "spacing"), [(1, 12.5), (2, 25.0)])
def test_coordinates_in_seconds_of_arc_are_no_metres(units, spacing, tmp_path):
    path = tmp_path / "a.sgy"
    SegyReader.write_sample(path)
    with segyio.open(path, "r+", ignore_geometry=True) as file:
        for number, header in enumerate(file.header):
            header[segyio.TraceField.CoordinateUnits] = units
            header[segyio.TraceField.SourceGroupScalar] = -100
            header[segyio.TraceField.GroupX] = 1250 * number
            header[segyio.TraceField.offset] = 25 * number
    with SegyReader(path) as reader:
        assert reader.dx == pytest.approx(spacing)
