"""The page on use: its commands run, and its report opens in a browser."""

from __future__ import annotations

from pathlib import Path

import ase.io
import pytest
from browsing import opened_tab
from page_walk import follow


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_reader_of_the_page_on_use_gets_every_file(tmp_path: Path) -> None:
    run = follow("fields/atoms/use.md", tmp_path)
    frames = {path.stem: ase.io.read(path, ":") for path in tmp_path.glob("*.xyz")}
    assert len(frames["predicted"]) == 15
    assert {atoms.info["energy_by"] for atoms in frames["predicted"]} == {"labels"}
    assert len(frames["next"]) == 5
    assert len({atoms.info["pool_index"] for atoms in frames["next"]}) == 5
    assert abs(frames["relaxed"][0].get_stress()).max() < abs(frames["start"][0].get_stress()).max()
    assert "rank correlation of spread and error" in run.stdout
    assert (tmp_path / "copper.pt").stat().st_size > 1e6
    with opened_tab() as tab:
        tab.show(tmp_path / "figures" / "report.html", 1280, 900, "light")
        assert tab.problems == []
        assert tab.value("document.querySelectorAll('table').length") == 2
        assert tab.value("[...document.images].filter(i => i.naturalWidth).length") == 1
        assert tab.value("document.documentElement.scrollWidth <= innerWidth")
