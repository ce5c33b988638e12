"""Report the quality of a denoised file: measures on the console, and a QC figure and page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scionwood import ReadError, Record, WriteError
from scionwood.authoring import atomic_path, check_target, writing
from scionwood_seismic.evaluation.gather_qc import Row, measure, similarity_map
from scionwood_seismic.evaluation.light import judge, plain, print_verdicts, say
from scionwood_seismic.evaluation.panels import Geometry, Result
from scionwood_seismic.evaluation.qc_page import (
    Picture,
    QcPage,
    number,
    render_qc,
    sheet_numbers,
)
from scionwood_seismic.inference.options import GateOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scionwood_seismic.readers.base import SeismicReader

MOST = 200
"""In files with more gathers, this many evenly spaced ones are measured."""


def qc_files(qc: Path) -> tuple[Path, Path]:
    """Return the paths of the QC figure and the QC page, which lie side by side.

    Args:
        qc: either path; it ends in .html or in the suffix of an image format.
    """
    if qc.suffix.lower() in (".html", ".htm"):
        return qc.with_suffix(".png"), qc
    return qc, qc.with_suffix(".html")


def report_quality(
    before: SeismicReader,
    after: SeismicReader,
    path: Path,
    console: Console,
    *,
    qc: Path | None = None,
    force: bool = False,
    reference: SeismicReader | None = None,
    notes: Mapping[str, str] | None = None,
    reports: Sequence[Mapping[str, Any]] = (),
    gate: GateOptions | None = None,
) -> None:
    """Print what the harm gate found; with `qc`, measure the whole file and draw it.

    The figure shows the gather with the highest local similarity. The page also shows the median
    and the best gather, and lists up to `MOST` gathers. One gather per file is in memory.

    Args:
        before: the noisy file.
        after: the denoised file.
        path: the path of the denoised file.
        console: where to print.
        qc: the figure or the page to write; the other one is written beside it.
        force: replace existing files.
        reference: the noise-free file, if there is one.
        notes: label -> text for the footer, such as the adapter and its options.
        reports: the report of each gather, as in the sidecar; empty if there was no gate.
        gate: the limits that the reports are judged by; None: the defaults.

    Raises:
        ReadError: the files differ in their gathers.
        OutputExistsError, WriteError: the figure or the page exists, or cannot be written.
    """
    files = () if qc is None else qc_files(qc)
    for file in files:
        check_target(file, force)
    readers = (before, after) if reference is None else (before, after, reference)
    rows = _rows(readers, _spread(len(before), MOST if files else 1), console)
    verdicts = [judge(report, gate or GateOptions()) for report in reports]
    if len(verdicts) == len(before):
        rows = [replace(row, verdict=verdicts[row.index]) for row in rows]
    else:  # of a volume there are those of both directions
        by_gather = {verdict.gather: verdict for verdict in verdicts}
        rows = [replace(row, verdict=by_gather.get(row.name)) for row in rows]
    say(console, f"{path}: {len(before)} gathers, {before.traces} traces")
    print_verdicts(verdicts, console)
    live = [row for row in rows if row.values]
    if not live:
        say(console, "no live trace in the measured gathers: there is nothing to draw")
    elif _replaced(before, after, live):
        say(console, "the source was replaced by its result: there is nothing to compare")
    else:
        _print(live, console)
        if files:
            _draw(readers, rows, files, force, _facts(before, path, notes or {}))
            say(console, f"QC figure: {files[0]}, page: {files[1]}")


def _draw(
    readers: tuple[SeismicReader, ...],
    rows: list[Row],
    files: tuple[Path, ...],
    force: bool,
    facts: Mapping[str, str],
) -> None:
    """Write the figure and the page."""
    figure, page = files
    pictures = _pictures(readers, [row for row in rows if row.values], figure, force, facts)
    text = render_qc(QcPage(facts["result"], rows, len(readers[0]), pictures, facts))
    with writing(f"the page {page}"), atomic_path(page, overwrite=force) as part:
        part.write_text(text, encoding="utf-8")


def save_figure(figure: Figure, path: Path, *, overwrite: bool) -> None:
    """Write a figure; it appears complete or not at all.

    Raises:
        OutputExistsError: the file exists and `overwrite` is false.
        WriteError: the file cannot be written, or its suffix is not that of an image format.
    """
    try:
        with writing(path), atomic_path(path, overwrite=overwrite) as part:
            figure.savefig(part, dpi=110)
    except ValueError as error:  # matplotlib does not know the suffix
        rule = f"the figure cannot be written ({error})"
        raise WriteError(str(path), rule, "Try a .png") from error


def _spread(count: int, limit: int) -> list[int]:
    """Return at most `limit` evenly spaced indices below `count`, with the first and the last."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, limit)).tolist()})


def _rows(readers: tuple[SeismicReader, ...], chosen: list[int], console: Console) -> list[Row]:
    columns = (TextColumn("QC"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    rows = []
    with Progress(*columns, console=console, transient=True, disable=len(chosen) < 2) as bar:
        for index, name, result in bar.track(_results(readers, chosen), total=len(chosen)):
            rows.append(measure(result, index, name))
    return rows


def _results(
    readers: tuple[SeismicReader, ...], chosen: list[int]
) -> Iterator[tuple[int, str, Result]]:
    """Yield the chosen gathers of all files: index, key and gather."""
    _agree(readers, [len(reader) for reader in readers])
    for index in chosen:
        records = [reader.read(index) for reader in readers]
        _agree(readers, [record.data.shape for record in records])
        name = ", ".join(f"{key} {value}" for key, value in records[0].key.items())
        noisy, clean, *reference = (record.data for record in records)
        yield index, name, Result(noisy, clean, _geometry(readers[0], records[0]), *reference)


def _agree(readers: tuple[SeismicReader, ...], sizes: list[object]) -> None:
    if any(size != sizes[0] for size in sizes):
        names = ", ".join(reader.path.name for reader in readers)
        rule = f"the files differ in their gathers ({', '.join(map(str, sizes))})"
        raise ReadError(names, rule, "Compare a file with its own result, with the same gathers")


def _replaced(before: SeismicReader, after: SeismicReader, rows: list[Row]) -> bool:
    """Return whether both readers see the result: one path, and no difference in the samples."""
    same = before.path.resolve() == after.path.resolve()
    return same and all(row.values["energy removed"] == 0 for row in rows)


def _geometry(reader: SeismicReader, record: Record) -> Geometry:
    across, down = reader.dims
    dt, start, dx = reader.dt, 0.0, None
    samples, traces = record.coords.get(down), record.coords.get(across)
    if samples is not None and samples.dtype.kind in "iuf":  # not a date
        start = float(samples[0])
        dt = float(samples[-1] - samples[0]) / (len(samples) - 1) if len(samples) > 1 else dt
    if traces is not None and reader.units.get(across) == "m" and len(traces) > 1:
        steps = np.diff(np.asarray(traces, dtype=np.float64))
        dx = abs(float(np.median(steps))) or None
        dx = dx if np.allclose(steps, steps[0], rtol=1e-2) else None
    unit = reader.units.get("data", "")
    return Geometry(dt, start, reader.vertical, dx, "" if unit == "unknown" else unit)


def _print(rows: list[Row], console: Console) -> None:
    """Print the measures of the first gather and, if there are several, of the worst one."""
    ranked = sorted(rows, key=Row.leak)
    titled_rows = {"first gather": rows[0]} | (
        {"worst gather": ranked[-1]} if len(rows) > 1 else {}
    )
    for title, row in titled_rows.items():
        values = ", ".join(f"{label} {number(value)}" for label, value in row.values.items())
        say(console, f"{title} ({row.name}): {values}")
    broken = sum(row.broken for row in rows)
    if broken:
        say(console, f"WARNING: {broken} live traces are not finite in the output")


def _facts(before: SeismicReader, path: Path, notes: Mapping[str, str]) -> dict[str, str]:
    release = version("scionwood-seismic")
    return {"source": before.path.name, "result": path.name, **notes, "scionwood-seismic": release}


def _pictures(
    readers: tuple[SeismicReader, ...],
    rows: list[Row],
    image: Path,
    force: bool,
    facts: Mapping[str, str],
) -> list[Picture]:
    """Draw the worst, the median and the best gather, and save the figure of the worst one."""
    from scionwood_seismic.evaluation.figures import draw_qc_sheet

    ranked = sorted(rows, key=Row.leak, reverse=True)
    places = {len(ranked) // 2: "median", len(ranked) - 1: "best", 0: "worst"}
    titles = {ranked[place].index: (place, title) for place, title in places.items()}
    by_index = {row.index: row for row in rows}
    footer = "   ".join(f"{label}: {value}" for label, value in facts.items())
    pictures = []
    for index, name, result in _results(readers, sorted(titles)):
        place, title = titles[index]
        heading = f"{facts['result']}: gather {index + 1} ({name})"
        heading += f", {title} of {len(rows)} by local similarity" if len(rows) > 1 else ""
        row = by_index[index]
        figure = draw_qc_sheet(
            result,
            similarity_map(result),
            sheet_numbers(row),
            row.verdict.places if row.verdict else (),
            title=plain(heading),
            footer=plain(footer),
        )
        pictures.append((place, Picture(heading, _png(figure))))
        if place == 0:
            save_figure(figure, image, overwrite=force)
    return [picture for _, picture in sorted(pictures, key=lambda pair: pair[0])]


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=90)  # the page contains three and must stay small
    figure.set_layout_engine("none")  # a second save can reuse the layout
    return buffer.getvalue()
