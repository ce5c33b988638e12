"""The reader of a file is chosen by its content, and otherwise by its suffix."""

from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood import ReadError
from scionwood_seismic.readers.base import encode
from scionwood_seismic.readers.das import DasReader
from scionwood_seismic.readers.opening import open_file
from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.readers.sources import obspy
from scionwood_seismic.readers.streams import StreamReader

OBSPY = Path(obspy.__file__).parent / "io"


@table("name", ["as_it_is", "nonsense.bin", "wrong.sgy", "wrong.mseed", "no_suffix"])
def test_the_content_decides_and_not_the_name(tmp_path, segy, data, das, name):
    files = {
        segy("in.sgy"): SegyReader,
        segy("little.sgy", endian="little"): SegyReader,
        das.prodml(tmp_path / "in.h5", data): DasReader,
        das.tdms(tmp_path / "in.tdms", data): DasReader,
        OBSPY / "mseed/tests/data/test.mseed": StreamReader,
        OBSPY / "sac/tests/data/test.sac": StreamReader,
        OBSPY / "sac/tests/data/test.sac.swap": StreamReader,
        OBSPY / "segy/tests/data/1.su_first_trace": StreamReader,
        OBSPY / "segy/tests/data/planes.segy_first_trace": SegyReader,
        OBSPY / "segy/tests/data/1.sgy_first_trace": SegyReader,  # without a textual header
        OBSPY / "seg2/tests/data/20180307_031245000.0.seg2": StreamReader,
    }
    for source, reader in files.items():
        path = source if name == "as_it_is" else tmp_path / name
        if path != source:
            path.write_bytes(source.read_bytes())
        with open_file(path) as opened:
            assert isinstance(opened, reader)


@table(
    ("name", "words"),
    [
        ("broken.sgy", "SEG-Y"),
        ("broken.mseed", "miniSEED"),
        ("broken.SAC", "SAC"),
        ("broken.su", "SU"),
        ("broken.seg2", "SEG-2"),
        ("broken.h5", "DAS"),
        ("broken.das", "DAS"),
    ],
)
def test_the_reader_of_the_suffix_explains_a_damaged_file(tmp_path, name, words):
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(ReadError, match=words) as caught:
        open_file(path)
    assert name in str(caught.value)


@table("name", ["notes.txt", "data.bin", "volume"])
def test_refuses_an_unknown_file_and_lists_known_formats(tmp_path, name):
    path = tmp_path / name
    path.write_text("Dear colleague, please find the data attached.\n" * 200)
    with pytest.raises(ReadError) as caught:
        open_file(path)
    for known in ("SEG-Y", "miniSEED", "SAC", "SU", "SEG-2", "DASCore", "HDF5", "TDMS"):
        assert known in str(caught.value)


def test_a_missing_file_and_a_folder_are_read_errors(tmp_path):
    for path in (tmp_path / "none.sgy", tmp_path):
        with pytest.raises(ReadError, match=r"there is no such file|it is a folder"):
            open_file(path)


def test_the_gather_header_applies_to_segy_only(tmp_path, segy, data, das):
    with open_file(segy(), gather="fldr") as opened:
        assert [dict(record.key) for record in opened] == [{"fldr": 100}, {"fldr": 101}]
    with open_file(das.prodml(tmp_path / "in.h5", data), gather="fldr") as opened:
        assert len(opened) == 1


@table("kind", [SegyReader, StreamReader, DasReader])
def test_reads_a_record_without_the_previous_ones(tmp_path, kind):
    path = tmp_path / f"sample{kind.suffixes[0]}"
    kind.write_sample(path)
    with kind(path) as reader:
        for index, record in reversed(list(enumerate(reader))):
            again = reader.read(index)
            assert again.key == record.key
            np.testing.assert_array_equal(again.data, record.data)


@table("kind", ["int8", "int16", "int32", "int64", "uint16", "uint64"])
def test_integers_are_clipped_to_their_own_range(kind):
    info = np.iinfo(kind)
    encoded, clipped = encode(np.array([-1e30, 0.4, 1e30]), np.dtype(kind))
    assert clipped == 2
    assert encoded[1] == 0
    assert encoded[0] == info.min
    assert info.max * 0.999 < encoded[2] <= info.max
