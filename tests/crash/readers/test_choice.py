"""Which reader opens a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from scionwood import ReadError
from scionwood_crash.readers.dispatch import reader_of
from scionwood_crash.readers.dyna import DynaReader
from scionwood_crash.readers.keyword import KeywordReader
from scionwood_crash.readers.meshio import MeshReader
from scionwood_crash.readers.store import ZarrReader
from scionwood_crash.readers.vtk_series import VtkSeriesReader


def test_chooses_the_reader_by_suffix_or_content(tmp_path: Path) -> None:
    for reader in (DynaReader, KeywordReader, MeshReader, VtkSeriesReader, ZarrReader):
        path = tmp_path / f"file{reader.suffixes[0]}"
        reader.write_sample(path)
        assert reader_of(path) is reader
        if reader is not MeshReader:
            bare = tmp_path / f"{reader.__name__}.out"
            bare.write_bytes(path.read_bytes())
            assert reader_of(bare) is reader
    assert reader_of(tmp_path / "run3_d3plot") is DynaReader
    (tmp_path / "a.txt").write_text("Dear colleague")
    with pytest.raises(ReadError, match="its format is unknown"):
        reader_of(tmp_path / "a.txt")
    with pytest.raises(ReadError, match="there is no such file"):
        reader_of(tmp_path / "none.txt")
