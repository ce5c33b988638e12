"""The handbook: cards of one screen with measured numbers, and every page of a field."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from case_table import table

ROOT = Path(__file__).parents[2]
FIELDS = ("seismic", "crash", "pde", "biomed", "bangla", "audio")
DRAWN = FIELDS[:-1]
"""Fields with pages in the gallery; the network of audio is 71 MB that its build does not have."""
CARDS = [ROOT / "README.md", *sorted(ROOT.glob("plugins/*/README.md"))]
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w])")


def tables(page: Path) -> list[float]:
    """Return the numbers in the generated tables of a page."""
    text = page.read_text("utf-8")
    found = re.findall(r"<!-- table: \w+ -->\n(.*?)<!-- end -->", text, re.S)
    return [float(number) for table in found for number in NUMBER.findall(table)]


@table("card", CARDS, ids=lambda card: card.parent.name)
def test_a_card_is_one_screen(card):
    assert len(card.read_text("utf-8").splitlines()) <= 55


@table("field", FIELDS)
def test_the_scores_on_a_card_are_in_the_tables_of_the_results(field):
    text = (ROOT / "plugins" / field / "README.md").read_text("utf-8")
    (section,) = re.findall(r"^## How good it is$(.*?)^## ", text, re.M | re.S)
    measured = tables(ROOT / "docs" / "results" / f"{field}.md")
    scores = [number for number in NUMBER.findall(section) if "." in number]
    assert scores
    for number in scores:
        digits = len(number.partition(".")[2])
        assert any(round(value, digits) == float(number) for value in measured), number


@table("field", FIELDS)
def test_a_field_has_every_page(field):
    folder = ROOT / "docs" / "fields" / field
    text = (folder / "index.md").read_text("utf-8")
    (tree,) = re.findall(r"```\{toctree\}\n(.*?)```", text, re.S)
    pages = tree.split()[2:]
    reading = {"qc", "reading"} & set(pages)
    results = f"../../results/{field}"
    assert {"about", "your-own-file", "components", "commands", results} <= set(pages)
    assert reading, "the page that explains the figures is missing"
    assert field not in DRAWN or sum("gallery/plot_" in page for page in pages) >= 2
    for page in {"about", "your-own-file", *reading}:
        title = (folder / f"{page}.md").read_text("utf-8").splitlines()[0]
        assert title.startswith("# "), page


TABS = dict(
    re.findall(
        r":::\{tab-item\} ([\w ]+)\n```bash\n(.*?)^```$",
        (ROOT / "docs" / "start" / "first-hour.md").read_text("utf-8"),
        re.M | re.S,
    )
)


def own_scans(folder: Path) -> None:
    """Write what the tab of medical images takes for granted: DICOM files and a table of images."""
    from PIL import Image
    from pydicom.data import get_testdata_file

    (folder / "scans").mkdir()
    for target in ("scan.dcm", "scans/ct.dcm"):
        shutil.copy(str(get_testdata_file("CT_small.dcm")), folder / target)
    rows = ["path,label,subject"]
    for number in range(24):
        Image.new("L", (64, 64), 10 * number).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{'bright' if number % 2 else 'dark'},{number // 4}-{number % 2}")
    (folder / "images.csv").write_text("\n".join(rows) + "\n")


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("tab", sorted(TABS))
def test_the_first_hour_works_as_it_is_written(tab, tmp_path):
    plugin, rest = re.findall(r"^pip install -e \. .*-e plugins/(\w+)\n(.*)", TABS[tab], re.S)[0]
    pytest.importorskip(f"scionwood_{plugin}")
    if plugin == "biomed":
        own_scans(tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["bash", "-c", "set -e\n" + rest],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stdout + run.stderr
