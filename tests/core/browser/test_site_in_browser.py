"""The site in a real browser: it loads without errors, fits the window, and can be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chromium import PATIENCE, Tab
from handbook import VERSIONS, build, built, served

PAGES = [  # one of each kind
    "index.html",
    "install.html",
    "start/first-hour.html",
    "start/glossary.html",
    "fields/index.html",
    "fields/seismic/index.html",
    "fields/biomed/your-own-file.html",
    "fields/crash/components.html",
    "fields/pde/commands.html",
    "fields/seismic/qc.html",
    "fields/audio/five-calls.html",
    "fields/bangla/reading.html",
    "results/crash.html",
    "gallery/index.html",
    "gallery/plot_seismic_denoise.html",
    "guides/index.html",
    "guides/choose.html",
    "adapters.html",
    "safety.html",
    "authors/tutorial.html",
    "authors/checks.html",
    "architecture.html",
    "decisions/0001-a-recipe-cannot-name-a-class.html",
    "reference/commands.html",
    "reference/errors.html",
    "reference/api/adapters.html",
    "reference/changelog.html",
    "_modules/scionwood/errors.html",
    "genindex.html",
    "search.html",
]
WIDTHS = [360, 768, 1280]
HEIGHT = 900
SCHEMES = ["light", "dark"]

OVERFLOW = """(() => { const article = document.querySelector('.bd-article-container');
  const edge = node => (article?.contains(node) && node !== article
    ? Math.min(innerWidth, article.getBoundingClientRect().right) : innerWidth) + 1;
  const reach = node => { const box = node.getBoundingClientRect();
    return getComputedStyle(node).overflowX === 'visible'
      ? Math.max(box.right, box.left + node.scrollWidth) : box.right; };
  return [...document.body.querySelectorAll('*')].filter(node => {
    if (reach(node) < edge(node) || !node.checkVisibility(
      {visibilityProperty: true, opacityProperty: true})) return false;
    for (let box = node.parentElement; box && box !== document.body; box = box.parentElement)
      if (box !== article && ['auto', 'scroll'].includes(getComputedStyle(box).overflowX))
        return false;
    return true; }).map(node => `${node.tagName}.${node.className} ${node.innerText}`.slice(0, 60));
})()"""
"""What reaches out of the window or of the text, and is in no box of its own that scrolls.

The theme lets the whole text of a page scroll sideways, which would hide all of it.
"""

IMAGES = """[...document.images].filter(image => !image.complete || !image.naturalWidth
  || !image.alt && !image.closest('.sphx-glr-thumbcontainer')).map(image => image.src)"""
"""Broken images and those without a text; the caption of a thumbnail is its text."""

CONTRAST = r"""(() => {
  const parse = text => { const p = (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
    const unit = text.startsWith('color(') ? 255 : 1;
    return [...p.slice(0, 3).map(v => v * unit), p.length > 3 ? p[3] : 1]; };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = colour => { const linear = colour.map(v => { v /= 255;
      return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]; };
  const ground = node => { const layers = [];
    for (; node; node = node.parentElement)
      layers.push(parse(getComputedStyle(node).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]); };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = new Set();
  for (let text; text = walker.nextNode();) {
    const node = text.parentElement;
    if (!text.data.trim() || !node.checkVisibility({visibilityProperty: true,
        opacityProperty: true}) || ['SCRIPT', 'STYLE', 'NOSCRIPT'].includes(node.tagName)) continue;
    const below = ground(node), ink = over(parse(getComputedStyle(node).color), below);
    const [high, low] = [light(ink), light(below)].sort((a, b) => b - a);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) poor.add(`${ratio.toFixed(2)} ${node.tagName}.${node.className} ` +
      text.data.trim().slice(0, 40)); }
  return [...poor]; })()"""

BOTTOM = """Math.max(...[...document.querySelectorAll('.landing-reasons .sd-card')]
  .map(card => card.getBoundingClientRect().bottom))"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    return built(tmp_path_factory.getbasetemp())


def faults(tab: Tab, page: Path, width: int, scheme: str) -> list[str]:
    """Show a page, and return what a reader would complain about."""
    tab.show(page, width, HEIGHT, scheme)
    assert tab.value("innerWidth") == width
    assert tab.value("document.documentElement.dataset.theme") == scheme
    tab.value("document.getAnimations().forEach(each => each.finish())")  # no colour in between
    seen = [*tab.problems, *tab.value(OVERFLOW), *tab.value(IMAGES), *tab.value(CONTRAST)]
    return [f"{page.name} at {width} ({scheme}): {each}" for each in seen]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_of_each_kind_load_fit_and_can_be_read(width, scheme, site, tab):
    assert [fault for page in PAGES for fault in faults(tab, site / page, width, scheme)] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_page_fits_the_narrowest_window(site, tab):
    pages = [page for page in site.rglob("*.html") if "_static" not in page.parts]
    assert len(pages) > 150
    assert [fault for page in pages for fault in faults(tab, page, WIDTHS[0], "light")] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_landing_page_is_one_screen(site, tab):
    tab.show(site / "index.html", 1280, HEIGHT, "light")
    assert tab.value("document.querySelectorAll('.landing-cards .sd-card').length") == 6
    assert tab.value("document.querySelectorAll('.landing-reasons .sd-card').length") == 3
    assert tab.value(BOTTOM) <= HEIGHT


MENU = "[...document.querySelector('.version-switcher__menu').querySelectorAll('a')]"
"""The links of the first of two menus: the bar has one, and the sidebar of narrow windows too."""

NAMES = f"{MENU}.map(link => link.textContent.trim())"
SHOWN = "document.querySelector('.version-switcher__button').textContent.trim()"


def wait(tab: Tab, expression: str) -> None:
    """Wait until an expression is true in the page."""
    deadline = time.monotonic() + PATIENCE
    while not tab.value(f"document.readyState === 'complete' && {expression}"):
        assert time.monotonic() < deadline, f"never true: {expression}"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_switcher_lists_both_versions_and_leads_from_one_to_the_other(site, tab, tmp_path):
    pages = tmp_path / "pages"
    pages.mkdir()
    shutil.copytree(site / ".doctrees", tmp_path / "parsed")
    with served(pages) as address:
        for version in ("v0.1.0", "dev"):
            named = {
                "SCIONWOOD_VERSION": version,
                "SCIONWOOD_VERSIONS": f"{address}/versions.json",
            }
            build(tmp_path / version, tmp_path / "parsed", named)
            command = [sys.executable, VERSIONS, tmp_path / version, "--into", pages]
            subprocess.run(command, env=os.environ | named, check=True)
        tab.ask("Page.navigate", url=f"{address}/dev/start/glossary.html")
        wait(tab, f"{MENU}.length === 2")
        assert tab.value(NAMES) == ["v0.1.0", "dev"]
        assert tab.value(SHOWN) == "dev"
        tab.value(f"{MENU}[0].click()")
        wait(tab, "location.pathname === '/v0.1.0/start/glossary.html'")
        wait(tab, f"{MENU}.length === 2 && {SHOWN} === 'v0.1.0'")
        tab.ask("Page.navigate", url=f"{address}/")
        wait(tab, "location.pathname === '/v0.1.0/index.html'")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("harm", "probe"),
    [
        ('<p style="color:#999;background:#fff">pale words</p>', CONTRAST),
        ('<div style="width:2000px">wide</div>', OVERFLOW),
        ("<p style='white-space:nowrap'>" + "long " * 300 + "</p>", OVERFLOW),
        ('<img src="absent.png" alt="a picture">', IMAGES),
        ('<img src="_static/cards/pde.png">', IMAGES),
    ],
)
def test_a_harmed_page_would_be_noticed(harm, probe, site, tab):
    page = site / "harmed.html"
    text = (site / "index.html").read_text("utf-8")
    page.write_text(text.replace("</article>", f"{harm}</article>"), "utf-8")
    tab.show(page, 1280, HEIGHT, "light")
    page.unlink()
    assert tab.value(probe) != []
