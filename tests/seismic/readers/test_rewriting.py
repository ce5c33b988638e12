"""Files are created whole, and the next part of a file is read while a function works on this."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from scionwood import ReadError, Record, WriteError
from scionwood_seismic.readers import rewriting
from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.readers.segy import SegyReader


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> dict[int, threading.Event]:
    """An event for each part, which is set when the part has been read."""
    events = {index: threading.Event() for index in range(2)}
    fetch = SegyReader._fetch

    def told(self: SegyReader, index: int) -> np.ndarray:
        raw = fetch(self, index)
        events[index].set()
        return raw

    monkeypatch.setenv("SCIONWOOD_READERS", "inline")  # a child has its own reader
    monkeypatch.setattr(SegyReader, "_fetch", told)
    return events


def test_small_parts_are_read_ahead(segy, tmp_path, fetched):
    ahead = []

    def halve(record: Record) -> np.ndarray:
        ahead.append(fetched[1].wait(20))
        return record.data / 2

    with SegyReader(segy(), gather="fldr") as reader:
        reader.rewrite(tmp_path / "out.sgy", halve)
    assert ahead == [True, True]


def test_large_parts_are_read_when_they_are_needed(segy, tmp_path, fetched, monkeypatch):
    monkeypatch.setattr(rewriting, "AHEAD", 1000)
    ahead = []

    def halve(record: Record) -> np.ndarray:
        ahead.append(fetched[1].is_set())
        return record.data / 2

    with SegyReader(segy(), gather="fldr") as reader:
        reader.rewrite(tmp_path / "out.sgy", halve)
    assert ahead == [False, True]


def test_an_error_of_the_next_part_ends_the_work(segy, tmp_path, monkeypatch):
    source = segy()
    size = source.stat().st_size
    monkeypatch.setenv("SCIONWOOD_READERS", "inline")

    def cut(record: Record) -> np.ndarray:
        with source.open("r+b") as file:
            file.truncate(size // 2)
        return record.data / 2

    monkeypatch.setattr(rewriting, "AHEAD", 0)  # so that the cut comes before the read
    with SegyReader(source, gather="fldr") as reader, pytest.raises(ReadError, match="shorter"):
        reader.rewrite(tmp_path / "out.sgy", cut)
    assert not list(tmp_path.glob("*out.sgy*"))


def test_leaves_nothing_on_a_full_disk(small_disk):
    with pytest.raises(WriteError, match=r"new\.sgy.*cannot be written"):
        write_segy(small_disk / "new.sgy", np.ones((4, 100, 100)), dt=0.002)
    assert list(small_disk.iterdir()) == []
