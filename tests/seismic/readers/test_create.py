from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scionwood import OutputExistsError, WriteError
from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.readers.segy import SegyReader


def test_reads_what_was_written(tmp_path: Path, gathers: np.ndarray) -> None:
    path = tmp_path / "new.sgy"
    write_segy(path, gathers, dt=0.0005)
    with SegyReader(path, gather="fldr") as reader:
        records = list(reader)
        assert reader.dt == 0.0005
    assert [record.key for record in records] == [{"fldr": 1}, {"fldr": 2}]
    np.testing.assert_array_equal(np.stack([record.data for record in records]), gathers)


def test_keeps_an_existing_file(tmp_path: Path, gathers: np.ndarray) -> None:
    path = tmp_path / "new.sgy"
    path.write_text("mine")
    with pytest.raises(OutputExistsError):
        write_segy(path, gathers, dt=0.002)
    assert path.read_text() == "mine"


def test_leaves_nothing_on_a_full_disk(small_disk: Path) -> None:
    with pytest.raises(WriteError, match=r"new\.sgy.*cannot be written"):
        write_segy(small_disk / "new.sgy", np.ones((4, 100, 100)), dt=0.002)
    assert list(small_disk.iterdir()) == []
