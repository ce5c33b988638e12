"""Pages in a real browser: nothing is wider than the window, fails to load or is hard to read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from scionwood.files.pages import Number, Numbers, Page, Section, Table, render
from scionwood.recipes.recipe import resolve
from scionwood.training import fit

WINDOWS = [(360, 740), (1440, 900)]
SCHEMES = ["light", "dark"]

OVERFLOW = "document.scrollingElement.scrollWidth - innerWidth"

IMAGES = """[...document.images].filter(image => !image.complete || !image.naturalWidth
  || !image.alt || image.getBoundingClientRect().right > innerWidth).length"""

CONTRAST = r"""(() => {
  const light = text => { const parts = text.match(/[\d.]+/g).map(Number);
    const linear = parts.slice(0, 3).map(value => { value /= 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]; };
  const ground = node => { while (node) { const colour = getComputedStyle(node).backgroundColor;
    if (colour !== 'rgba(0, 0, 0, 0)') return light(colour); node = node.parentElement; }
    return 1; };
  const ratios = [...document.querySelectorAll('h1,h2,p,td,th,dt,dd,figcaption')].map(node => {
    const pair = [light(getComputedStyle(node).color), ground(node)].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05); });
  return Math.min(...ratios); })()"""

LEAD = """(() => { const numbers = document.querySelector('.numbers').getBoundingClientRect();
  const figure = document.querySelector('figure.lead img').getBoundingClientRect();
  return [numbers.bottom, figure.bottom, document.querySelectorAll('.numbers div').length]; })()"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a real run."""
    recipe = resolve("toy/regress", ["trainer.logger=csv"])
    return fit(recipe, run_dir=tmp_path_factory.mktemp("runs") / "run") / "report.html"


@pytest.fixture(scope="module")
def quality(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report that the seismic plugin writes beside a denoised file."""
    pytest.importorskip("scionwood_seismic")
    from scionwood_seismic.evaluation.figures import draw_qc_sheet
    from scionwood_seismic.evaluation.gather_qc import Row, measure, similarity_map
    from scionwood_seismic.evaluation.panels import Geometry, Result
    from scionwood_seismic.evaluation.qc_page import (
        READING,
        Picture,
        QcPage,
        render_qc,
        sheet_numbers,
    )
    from scionwood_seismic.inference.gate import Returned

    values = dict.fromkeys(READING, 0.123)
    rows = [Row(n, f"fldr {100 + n}", 24, n, 0, values, values) for n in range(3)]
    png = io.BytesIO()
    gather = np.sin(np.linspace(0, 60, 24 * 64)).reshape(24, 64)
    result = Result(gather, 0.9 * gather, Geometry(0.004))
    places = [Returned("strong own", 4, 8, 0.9), Returned("weak steep", 12, 40, 0.2)]
    numbers = sheet_numbers(measure(result))
    draw_qc_sheet(result, similarity_map(result), numbers, places).savefig(png)
    facts = {"source": "a_long_name_of_a_file_" * 6 + ".sgy", "result": "clean.sgy"}
    page = QcPage("clean.sgy", rows, 3, [Picture("fldr 100", png.getvalue())], facts)
    place = tmp_path_factory.mktemp("quality") / "report.html"
    place.write_text(render_qc(page), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the longest words and the widest table."""
    word = "unbroken" * 40
    cells = [f"{value:.6f}" for value in np.linspace(0, 1, 40)]
    parts = [
        Numbers([Number(word, word, word), Number("a", "b")]),
        word,
        {word: word, "short": word},
        Section(word, [Table([f"column {n}" for n in range(40)], [cells], word)]),
    ]
    place = tmp_path_factory.mktemp("strange") / "page.html"
    page = Page(word, parts, warning=word, notes=[word], facts={"torch": "2"})
    place.write_text(render(page), encoding="utf-8")
    return place


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(("width", "height"), WINDOWS)
@pytest.mark.parametrize("name", ["report", "quality", "strange"])
def test_a_page_fits_and_loads(name, width, height, scheme, tab, request):
    tab.show(request.getfixturevalue(name), width, height, scheme)
    assert tab.problems == []
    assert tab.value("innerWidth") == width
    assert tab.value(OVERFLOW) <= 0
    assert tab.value(IMAGES) == 0
    assert tab.value(CONTRAST) >= 4.5  # level AA of the W3C's guidelines


@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_the_first_screen_of_a_report_has_its_figure_and_five_numbers(width, height, report, tab):
    tab.show(report, width, height, "light")
    numbers, figure, count = tab.value(LEAD)
    assert count == 5
    assert numbers < figure <= height


def test_a_dark_screen_gets_dark_curves(report, tab):
    shown = "document.querySelector('picture img').currentSrc"
    tab.show(report, 1440, 900, "light")
    light = tab.value(shown)
    tab.show(report, 1440, 900, "dark")
    assert tab.value(shown) != light
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 28)"


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        ("<script>1</script>", "Content Security Policy"),
        ('<img alt="a" src="absent.png">', "load|Content Security Policy"),
        ('<div style="width:2000px">wide</div>', ""),
    ],
)
def test_the_browser_would_notice(harm, problem, report, tab, tmp_path):
    page = tmp_path / "harmed.html"
    page.write_text(report.read_text("utf-8").replace("</body>", f"{harm}</body>"), "utf-8")
    tab.show(page, 1440, 900, "light")
    if problem:
        assert any(part in text for text in tab.problems for part in problem.split("|"))
    else:
        assert tab.value(OVERFLOW) > 0
