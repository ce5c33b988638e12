"""The site in a real browser: it loads without errors, fits the window, and can be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import Tab
from handbook import built

PAGES = [
    "index.html",
    "fields/seismic/index.html",
    "fields/crash/components.html",
    "gallery/plot_seismic_denoise.html",
    "gallery/index.html",
    "reference/api/adapters.html",
    "results/crash.html",
    "guides/choose.html",
]
WIDTHS = [360, 768, 1280]
HEIGHT = 900
SCHEMES = ["light", "dark"]

OVERFLOW = """[...document.body.querySelectorAll('*')].filter(node => {
  if (node.getBoundingClientRect().right < innerWidth + 1 || !node.checkVisibility(
    {visibilityProperty: true, opacityProperty: true})) return false;
  for (let box = node.parentElement; box && box !== document.body; box = box.parentElement)
    if (['auto', 'scroll'].includes(getComputedStyle(box).overflowX)) return false;
  return true; }).map(node => `${node.tagName}.${node.className}`.slice(0, 60))"""
"""What reaches out of the window and is in no box that scrolls; the theme would cut it off."""

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


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_loads_fits_and_can_be_read(
    page: str, width: int, scheme: str, site: Path, tab: Tab
) -> None:
    tab.show(site / page, width, HEIGHT, scheme)
    assert tab.problems == []
    assert tab.value("innerWidth") == width
    assert tab.value(OVERFLOW) == []
    assert tab.value(IMAGES) == []
    assert tab.value("document.documentElement.dataset.theme") == scheme
    assert tab.value(CONTRAST) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_landing_page_is_one_screen(site: Path, tab: Tab) -> None:
    tab.show(site / "index.html", 1280, HEIGHT, "light")
    assert tab.value("document.querySelectorAll('.landing-cards .sd-card').length") == 5
    assert tab.value("document.querySelectorAll('.landing-reasons .sd-card').length") == 3
    assert tab.value(BOTTOM) <= HEIGHT


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("harm", "probe"),
    [
        ('<p style="color:#999;background:#fff">pale words</p>', CONTRAST),
        ('<div style="width:2000px">wide</div>', OVERFLOW),
        ('<img src="absent.png" alt="a picture">', IMAGES),
        ('<img src="_static/cards/pde.png">', IMAGES),
    ],
)
def test_a_harmed_page_would_be_noticed(harm: str, probe: str, site: Path, tab: Tab) -> None:
    page = site / "harmed.html"
    text = (site / "index.html").read_text("utf-8")
    page.write_text(text.replace("</article>", f"{harm}</article>"), "utf-8")
    tab.show(page, 1280, HEIGHT, "light")
    page.unlink()
    assert len(tab.value(probe)) == 1
