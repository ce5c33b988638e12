"""Bytes on which `zipfile.is_zipfile` itself raises are errors of the project."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from scionwood import ReadError, TrainingError
from scionwood.training.checkpoint import read_checkpoint

SPLIT = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 2) + b"PK\x05\x06" + bytes(18)
"""The end of a zip archive that claims to be split over two disks."""


@pytest.fixture
def split(tmp_path: Path) -> Path:
    path = tmp_path / "split.data"
    path.write_bytes(bytes(64) + SPLIT)
    with pytest.raises(zipfile.BadZipFile):
        zipfile.is_zipfile(path)
    return path


def test_a_checkpoint_is_damaged(split):
    with pytest.raises(TrainingError, match=r"split\.data: it is damaged"):
        read_checkpoint(split)


@pytest.mark.parametrize("home", ["scionwood_pde.readers.opening", "scionwood_crash.readers"])
def test_a_data_file_is_not_readable(split, home):
    readers = pytest.importorskip(home)
    with pytest.raises(ReadError, match=r"split\.data"):
        readers.open_reader(split)
