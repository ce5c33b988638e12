"""One gather in many formats: all readers give and store the same array."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from case_table import table

from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.readers.opening import open_file
from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.readers.sources import obspy

DT = 0.004
FLOATS = (
    "gather.sgy",
    "gather.mseed",
    "gather.su",
    "dasdae.h5",
    "dasdae_time_first.h5",
    "prodml.h5",
    "prodml_locus_first.h5",
)


@pytest.fixture
def write(
    tmp_path: Path, das: SimpleNamespace
) -> Callable[[str, np.ndarray], list[tuple[Path, slice]]]:
    """Yield the files of a gather, with the traces that each of them contains."""

    def one(name: str, data: np.ndarray) -> Path:
        path = tmp_path / name
        if name.endswith(".sgy"):
            write_segy(path, data[None], dt=DT)
        elif name.endswith((".mseed", ".su")):
            header = {"sampling_rate": 1 / DT, "network": "XX"}
            traces = [
                obspy.Trace(row, {**header, "station": f"S{i}"}) for i, row in enumerate(data)
            ]
            form = "MSEED" if name.endswith("d") else "SU"
            obspy.Stream(traces).write(str(path), format=form)
        elif name.startswith("dasdae"):
            patch = das.patch_of(data)
            das.dasdae(path, patch.transpose("time", "distance") if "first" in name else patch)
        else:
            das.prodml(path, data, "locus, time" if "first" in name else "time, locus")
        return path

    def many(name: str, data: np.ndarray) -> list[tuple[Path, slice]]:
        if not name.endswith(".sac"):
            return [(one(name, data), slice(None))]
        paths = [tmp_path / f"{i}.sac" for i in range(len(data))]
        for path, row in zip(paths, data, strict=True):
            obspy.Trace(row, {"sampling_rate": 1 / DT}).write(str(path), format="SAC")
        return [(path, slice(i, i + 1)) for i, path in enumerate(paths)]

    return many


@table("name", [*FLOATS, "gather.sac"])
def test_every_format_reads_and_writes_the_same_array(tmp_path, data, write, name):
    """SAC has one trace per file. NaN, a dead trace and extreme amplitudes are preserved."""
    data = data.copy()
    data[1], data[2, 3], data[3] = 0, np.nan, data[3] * 1e-9
    for path, rows in write(name, data):
        target = tmp_path / f"out_{path.name}"
        with open_file(path) as reader:
            (record,) = reader
            reader.rewrite(target, lambda record: -record.data)
            assert reader.dims[1] == "time"
            assert reader.dt == pytest.approx(DT)
        with open_file(target) as reader:
            (back,) = reader
        np.testing.assert_allclose(record.data, data[rows], rtol=1e-6)
        np.testing.assert_allclose(back.data, -data[rows], rtol=1e-6)
        time = record.coords["time"]
        np.testing.assert_allclose(time, DT * np.arange(data.shape[1]), atol=1e-12)


@table("name", ["gather.mseed", "dasdae.h5", "prodml.h5", "prodml_locus_first.h5"])
def test_integer_formats_give_the_same_values(data, write, name):
    counts = np.rint(data * 100).astype(np.int32)
    ((path, _),) = write(name, counts)
    with open_file(path) as reader:
        (record,) = reader
        assert record.data.dtype == np.float32
        with pytest.warns(UserWarning, match="32 bit integers: samples were rounded, 0 clipped"):
            reader.rewrite(path, lambda record: record.data / 2, overwrite=True)
    np.testing.assert_array_equal(record.data, counts)
    with open_file(path) as reader:
        (record,) = reader
    np.testing.assert_array_equal(record.data, np.rint(counts / 2))


def test_the_recording_delay_shifts_time_in_segy_and_su(tmp_path, data, segy):
    path = segy("in.sgy", data[None], delay=1500)
    su = tmp_path / "in.su"
    su.write_bytes(path.read_bytes()[3600:])
    raw = bytearray(su.read_bytes())
    for start in range(0, len(raw), 240 + 4 * data.shape[1]):
        struct.pack_into(">HH", raw, start + 114, data.shape[1], 4000)
    su.write_bytes(raw)
    for file in (path, su):
        with open_file(file) as reader:
            (record,) = reader
        assert reader.vertical == "time"
        np.testing.assert_allclose(record.coords["time"], 1.5 + DT * np.arange(40))
        np.testing.assert_array_equal(record.data, data)


def test_distinguishes_depth_from_time(tmp_path, data, das):
    """A depth section as SEG-Y, and a fibre in a well, whose channels are in depth."""
    path = tmp_path / "depth.sgy"
    write_segy(path, data[None], dt=0.005)  # 5,000 in the header: thousandths of a metre
    with SegyReader(path, vertical="depth") as reader:
        assert (reader.vertical, reader.dims) == ("depth", ("trace", "depth"))
        (section,) = reader
    well = das.patch_of(data).rename_coords(distance="depth")
    with open_file(das.dasdae(tmp_path / "well.h5", well)) as reader:
        assert (reader.vertical, reader.dims) == ("time", ("depth", "time"))
        (record,) = reader
    np.testing.assert_array_equal(section.data, record.data)
    np.testing.assert_allclose(section.coords["depth"], 5 * np.arange(40))
    np.testing.assert_allclose(record.coords["depth"], 100 + 5.0 * np.arange(7))
