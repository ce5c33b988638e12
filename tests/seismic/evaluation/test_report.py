"""Reports of a denoised file: measures, figure and page."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from case_table import table
from matplotlib.figure import Figure
from rich.console import Console

from scionwood import OutputExistsError, ReadError, WriteError
from scionwood_seismic.evaluation import report
from scionwood_seismic.evaluation.panels import Geometry, Result
from scionwood_seismic.evaluation.report import qc_files, report_quality
from scionwood_seismic.readers import das
from scionwood_seismic.readers.segy import SegyReader


@pytest.fixture
def console() -> Console:
    return Console(record=True, file=StringIO(), width=80)


def run(
    console: Console,
    noisy: Path,
    clean: Path,
    *,
    qc: Path | None = None,
    force: bool = False,
    reference: Path | None = None,
) -> str:
    paths = [noisy, clean] + ([reference] if reference else [])
    readers = [SegyReader(path, gather="fldr") for path in paths]
    clean_reader = readers[2] if reference else None
    notes = {"adapter": "runs/<a>"}
    options = {"qc": qc, "force": force, "reference": clean_reader, "notes": notes}
    report_quality(*readers[:2], clean, console, **options)
    for reader in readers:
        reader.close()
    return console.export_text()


def test_without_qc_the_first_gather_is_measured(segy, gathers, console):
    text = run(console, segy(), segy("[bold][red]x.sgy", 0.5 * gathers))  # no markup
    assert "[bold][red]x.sgy: 2 gathers, 48 traces" in text
    assert "first gather (fldr 100): local similarity" in text
    assert "energy removed 0.25," in text
    assert "worst" not in text


def test_writes_the_figure_and_the_page_side_by_side(segy, gathers, console, tmp_path):
    page = tmp_path / "qc.html"
    clean = segy(r"$\b$<i>油田.sgy", 0.5 * gathers[:1])  # no mathematics, no markup, no font
    run(console, segy(data=gathers[:1]), clean, qc=page)
    assert (tmp_path / "qc.png").read_bytes().startswith(b"\x89PNG")
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 1
    assert "<dt>source</dt><dd>in.sgy</dd>" in text
    assert r"<dt>result</dt><dd>$\b$&lt;i&gt;油田.sgy</dd>" in text
    assert "<dt>adapter</dt><dd>runs/&lt;a&gt;</dd>" in text
    assert re.search(r"<dt>scionwood-seismic</dt><dd>\d+\.\d+", text)


@table(
    ("named", "figure", "page"),
    [("a.png", "a.png", "a.html"), ("a.html", "a.png", "a.html"), ("a.pdf", "a.pdf", "a.html")],
)
def test_either_path_determines_both(named, figure, page):
    assert qc_files(Path(named)) == (Path(figure), Path(page))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Titles of the sheets; they are not rendered, because that takes a second each."""
    titles: list[str] = []

    def draw(*_: object, title: str, footer: str) -> Figure:
        titles.append(title)
        return Figure(figsize=(1, 1))

    monkeypatch.setattr("scionwood_seismic.evaluation.figures.draw_qc_sheet", draw)
    return titles


def test_the_page_shows_the_worst_the_median_and_the_best(segy, console, tmp_path, drawn):
    data = np.random.default_rng(0).standard_normal((5, 24, 40)).astype(np.float32)
    other = np.random.default_rng(1).standard_normal(data.shape).astype(np.float32)
    leak = np.array([0.4, 0.0, 0.9, 0.2, 0.6], dtype=np.float32)[:, None, None]
    clean = data - leak * 0.5 * data - (1 - leak) * 0.1 * other
    text = run(console, segy(data=data), segy("clean.sgy", clean), qc=tmp_path / "qc.png")
    assert "worst gather (fldr 102)" in text
    page = (tmp_path / "qc.html").read_text(encoding="utf-8")
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert [re.findall(r"fldr \d+|worst|median|best", title) for title in captions] == [
        ["fldr 102", "worst"],
        ["fldr 100", "median"],
        ["fldr 101", "best"],
    ]
    assert len(drawn) == 3
    drawn.clear()
    two = np.stack([0.5 * data[0], 0 * data[1]])  # the second result is empty
    files = segy(data=data[:2]), segy("clean.sgy", two)
    run(console, *files, qc=tmp_path / "qc.png", force=True)
    assert [title.rpartition("), ")[2].split()[0] for title in sorted(drawn)] == ["worst", "best"]


def test_measures_evenly_spaced_gathers_of_long_files(segy, console, tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(report, "MOST", 3)
    data = np.random.default_rng(0).standard_normal((7, 4, 40)).astype(np.float32)
    run(console, segy(data=data), segy("clean.sgy", 0.5 * data), qc=tmp_path / "qc.png")
    page = (tmp_path / "qc.html").read_text(encoding="utf-8")
    assert "3 evenly spaced gathers of 7" in page
    assert {f"fldr {n}" in page for n in (100, 103, 106)} == {True}
    assert "fldr 101" not in page


def test_a_reference_adds_fidelity_measures(segy, gathers, console, tmp_path, drawn):
    noisy, clean = segy(), segy("clean.sgy", 0.5 * gathers)
    text = run(
        console, noisy, clean, qc=tmp_path / "qc.png", reference=segy("true.sgy", 0.25 * gathers)
    )
    assert "SNR, reference 0," in text
    page = (tmp_path / "qc.html").read_text(encoding="utf-8")
    cells = page.partition(">SNR, reference</td>")[2].split("</td>")
    unprocessed, median = (cell.rpartition(">")[2] for cell in cells[:2])
    assert (float(unprocessed), float(median)) == (pytest.approx(-9.54), 0)


def test_fibres_have_wavenumbers_in_cycles_per_metre(console, tmp_path, monkeypatch):
    seen: list[Geometry] = []

    def draw(result: Result, *_: object, **__: str) -> Figure:
        seen.append(result.geometry)
        return Figure(figsize=(1, 1))

    monkeypatch.setattr("scionwood_seismic.evaluation.figures.draw_qc_sheet", draw)
    das.DasReader.write_sample(tmp_path / "in.h5")
    with das.DasReader(tmp_path / "in.h5") as before:
        before.rewrite(tmp_path / "out.h5", lambda record: 0.5 * record.data)
        distance = next(iter(before)).coords["distance"]
        with das.DasReader(tmp_path / "out.h5") as after:
            report_quality(before, after, tmp_path / "out.h5", console, qc=tmp_path / "qc.png")
        assert seen[0].dx == pytest.approx(distance[1] - distance[0])
        assert seen[0].dt == pytest.approx(before.dt)


def test_refuses_files_with_different_gathers_and_figures_of_no_image_format(
    segy, gathers, console, tmp_path, drawn
):
    with pytest.raises(ReadError, match=r"in\.sgy, short\.sgy: the files differ .*\(2, 1\)"):
        run(console, segy(), segy("short.sgy", gathers[:1]))
    with pytest.raises(ReadError, match=r"\(24, 40\), \(24, 30\)"):
        run(console, segy(), segy("cut.sgy", gathers[:, :, :30]))
    with pytest.raises(WriteError, match=r"qc\.docx: the figure cannot be written .* Try a \.png"):
        run(console, segy(), segy("clean.sgy", 0.5 * gathers), qc=tmp_path / "qc.docx")


def test_a_replaced_source_is_compared_if_it_is_still_open(segy, gathers, console):
    path, result = segy(), segy("clean.sgy", 0.5 * gathers)
    with SegyReader(path, gather="fldr") as before:
        result.replace(path)
        with SegyReader(path, gather="fldr") as after:
            report_quality(before, after, path, console)
    assert "energy removed 0.25," in console.export_text()
    assert "the source was replaced by its result" in run(console, path, path)


def test_warns_of_traces_that_are_not_finite_in_the_output(segy, gathers, console):
    clean = 0.5 * gathers
    clean[0, 3, 4] = np.inf
    text = run(console, segy(), segy("clean.sgy", clean))
    assert "WARNING: 1 live traces are not finite in the output" in text


@pytest.mark.parametrize("taken", ["qc.png", "qc.html"])
def test_replaces_neither_file_without_force(taken, segy, gathers, console, tmp_path, drawn):
    (tmp_path / taken).write_text("mine")
    paths = segy(), segy("clean.sgy", 0.5 * gathers)
    with pytest.raises(OutputExistsError, match=taken):
        run(console, *paths, qc=tmp_path / "qc.png")
    assert [p.name for p in tmp_path.glob("qc.*")] == [taken]
    assert (tmp_path / taken).read_text() == "mine"
    run(console, *paths, qc=tmp_path / "qc.png", force=True)
    assert (tmp_path / taken).read_bytes()[:4] in (b"\x89PNG", b"<!do")
