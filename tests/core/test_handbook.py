"""The handbook: cards of one screen with measured numbers, and every page of a field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from scionwood import Task, fit, resolve
from scionwood.styles import COLOURS

ROOT = Path(__file__).parents[2]
FIELDS = ("seismic", "crash", "pde", "biomed", "bangla")
CARDS = [ROOT / "README.md", *sorted(ROOT.glob("plugins/*/README.md"))]
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w])")


def tables(page: Path) -> list[float]:
    """Return the numbers in the generated tables of a page."""
    text = page.read_text("utf-8")
    found = re.findall(r"<!-- table: \w+ -->\n(.*?)<!-- end -->", text, re.S)
    return [float(number) for table in found for number in NUMBER.findall(table)]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.parent.name)
def test_a_card_is_one_screen(card: Path) -> None:
    assert len(card.read_text("utf-8").splitlines()) <= 55


@pytest.mark.parametrize("field", FIELDS)
def test_the_scores_on_a_card_are_in_the_tables_of_the_results(field: str) -> None:
    text = (ROOT / "plugins" / field / "README.md").read_text("utf-8")
    (section,) = re.findall(r"^## How good it is$(.*?)^## ", text, re.M | re.S)
    measured = tables(ROOT / "docs" / "results" / f"{field}.md")
    scores = [number for number in NUMBER.findall(section) if "." in number]
    assert scores
    for number in scores:
        digits = len(number.partition(".")[2])
        assert any(round(value, digits) == float(number) for value in measured), number


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_has_every_page(field: str) -> None:
    folder = ROOT / "docs" / "fields" / field
    text = (folder / "index.md").read_text("utf-8")
    (tree,) = re.findall(r"```\{toctree\}\n(.*?)```", text, re.S)
    pages = tree.split()[2:]
    reading = {"qc", "reading"} & set(pages)
    results = f"../../results/{field}"
    assert {"about", "your-own-file", "components", "commands", results} <= set(pages)
    assert reading, "the page that explains the figures is missing"
    assert sum(page.startswith("../../gallery/plot_") for page in pages) >= 2
    for page in {"about", "your-own-file", *reading}:
        title = (folder / f"{page}.md").read_text("utf-8").splitlines()[0]
        assert title.startswith("# "), page


def test_what_a_task_draws_has_the_style_of_the_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scionwood_toy.parts import Regress

    drawn = []
    draw = Regress.draw

    def recorded(task: Task, batch: Any) -> dict[str, Figure]:
        drawn.append(draw(task, batch)["prediction"])
        return {}

    monkeypatch.setattr(Regress, "draw", recorded)
    fit(resolve("toy/regress", smoke=True), run_dir=tmp_path / "run")
    (axes,) = drawn[0].axes
    assert not axes.spines["top"].get_visible()
    assert axes.lines[0].get_color() == COLOURS[0]
    assert mpl.rcParams["axes.spines.top"]  # the settings of the user are as before
