"""The pages of the methods: commands run as they are written, and tables are up to date."""

import csv
from pathlib import Path

import pytest
from method_layers import ADAPTED
from page_walk import follow
from support_table import MARK, PAGE, fill

from scionwood_methods import plugin


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_reader_of_the_guide_learns_three_tasks_in_a_row(tmp_path):
    pytest.importorskip("scionwood_seismic")
    pytest.importorskip("scionwood_biomed")
    follow("guides/continual.md", tmp_path)
    names = {each.name for each in (tmp_path / "surveys").iterdir()}
    assert {"1-swell", "2-ringing", "3-fading", "scores.csv", "summary.csv"} <= names
    with (tmp_path / "surveys" / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert {"swell", "ringing", "fading"} <= rows[0].keys()
    assert (tmp_path / "clinics" / "2-clinic2" / "memory" / "continual.json").is_file()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_reader_of_the_study_compares_methods_on_a_recipe(tmp_path: Path) -> None:
    pytest.importorskip("scionwood_pde")
    run = follow("study.md", tmp_path)
    assert "Use " in run.stdout
    assert (tmp_path / "study" / "study.json").is_file()


ABOUT = Path(__file__).parents[2] / "docs" / "fields" / "methods" / "about.md"


def test_table_of_layers_is_up_to_date():
    if "PyG Linear" not in ADAPTED:
        pytest.skip("torch_geometric is not installed")
    text = PAGE.read_text(encoding="utf-8")
    assert MARK.search(text)
    assert fill(text) == text, "run python tests/methods/support/support_table.py"
    assert "broken" not in text


def test_every_method_is_named():
    text = ABOUT.read_text(encoding="utf-8")
    for name in plugin.adapters:
        assert f"`methods/{name}`" in text
