"""The guide to continual learning: its commands run as they are written."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from page_walk import follow

PAGE = "guides/continual.md"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_reader_of_the_guide_learns_three_tasks_in_a_row(tmp_path: Path) -> None:
    pytest.importorskip("scionwood_seismic")
    pytest.importorskip("scionwood_biomed")
    follow(PAGE, tmp_path)
    names = {each.name for each in (tmp_path / "surveys").iterdir()}
    assert {"1-swell", "2-ringing", "3-fading", "scores.csv", "summary.csv"} <= names
    with (tmp_path / "surveys" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert {"swell", "ringing", "fading"} <= rows[0].keys()
    assert (tmp_path / "clinics" / "2-clinic2" / "memory" / "continual.json").is_file()
