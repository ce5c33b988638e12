"""What a run of the denoiser reports: numbers on the console; a QC figure and page on request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scionwood import OutputExistsError, ReadError, Record, WriteError, atomic_path
from scionwood_seismic.evaluation.gather_qc import Row, measure, similarity_map
from scionwood_seismic.evaluation.panels import Geometry, Result
from scionwood_seismic.evaluation.qc_page import Page, Picture, number, plain, render, sheet_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from scionwood_seismic.readers.base import SeismicReader

MOST = 200
"""Files of more gathers are measured on this many, evenly chosen."""


def qc_files(qc: Path) -> tuple[Path, Path]:
    """The figure and the page that a `--qc` option names; they lie beside each other.

    Args:
        qc: a name that ends in .html or in an image's suffix.
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
) -> None:
    """Print the first gather's leakage; where QC is asked for, measure the file and draw it.

    The figure shows the gather of the highest local similarity, the page also the median and the
    best one, and a row for each gather, or for `MOST`. At most one gather a file is in memory.

    Args:
        before: the noisy file.
        after: the denoised file.
        path: its name.
        console: where to print.
        qc: the image or the page to write; the other one is written beside it.
        force: replace those that exist.
        reference: the file without noise, where there is one.
        notes: what the footer says of the run, such as the adapter and its options.

    Raises:
        ReadError: the files differ in their gathers.
        OutputExistsError, WriteError: the image or the page exists, or cannot be written.
    """
    files = () if qc is None else qc_files(qc)
    _check_free(files, force)
    readers = (before, after) if reference is None else (before, after, reference)
    rows = _rows(readers, _spread(len(before), MOST if files else 1), console)
    say(console, f"{path}: {len(before)} gathers, {before.traces} traces")
    live = [row for row in rows if row.values]
    if not live:
        say(console, "no live trace in what was looked at: nothing to measure or to draw")
    elif _replaced(before, after, live):
        say(console, "the source was replaced by its result: nothing to compare that with")
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
    text = render(Page(facts["result"], rows, len(readers[0]), pictures, facts))
    _save_page(text, page, overwrite=force)


def save_figure(figure: Figure, path: Path, *, overwrite: bool) -> None:
    """Write an image, whole or not at all.

    Raises:
        OutputExistsError: it exists and `overwrite` is false.
        WriteError: the folder or the disk does not take it, or the suffix is no image's.
    """
    try:
        with atomic_path(path, overwrite=overwrite) as part:
            figure.savefig(part, dpi=110)
    except OutputExistsError:
        raise
    except (OSError, ValueError) as error:
        raise WriteError(
            str(path), f"the figure cannot be written ({error})", "Try a .png"
        ) from error


def say(console: Console, text: str) -> None:
    """Print a line in which a file's name may hold anything, brackets too."""
    console.print(plain(text), markup=False, soft_wrap=True)


def _save_page(text: str, path: Path, *, overwrite: bool) -> None:
    try:
        with atomic_path(path, overwrite=overwrite) as part:
            part.write_text(text, encoding="utf-8")
    except OutputExistsError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        rule = f"the page cannot be written ({reason})"
        raise WriteError(str(path), rule, "Choose a folder with some free megabytes") from error


def _check_free(files: tuple[Path, ...], force: bool) -> None:
    for file in files:
        if file.exists() and not force:
            raise OutputExistsError(str(file), "it exists already", "Give --force to replace it")


def _spread(count: int, most: int) -> list[int]:
    """At most so many of the indices below `count`, at even distances, the first and the last."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most)).tolist()})


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
    """The chosen gathers of all files."""
    _agree(readers, [len(reader) for reader in readers])
    for index in chosen:
        records = [reader.read(index) for reader in readers]
        _agree(readers, [record.data.shape for record in records])
        name = ", ".join(f"{key} {value}" for key, value in records[0].key.items())
        noisy, clean, *truth = (record.data for record in records)
        yield index, name, Result(noisy, clean, _geometry(readers[0], records[0]), *truth)


def _agree(readers: tuple[SeismicReader, ...], sizes: list[object]) -> None:
    if any(size != sizes[0] for size in sizes):
        names = ", ".join(reader.path.name for reader in readers)
        rule = f"the files differ in their gathers ({', '.join(map(str, sizes))})"
        raise ReadError(names, rule, "Compare a file with what was made of it, grouped alike")


def _replaced(before: SeismicReader, after: SeismicReader, rows: list[Row]) -> bool:
    """Whether both read one file; a reader that held the old one open still shows a difference."""
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
    """The first gather's numbers and, where there are more, the worst one's."""
    ranked = sorted(rows, key=Row.leak)
    shown = {"first gather": rows[0]} | ({"worst gather": ranked[-1]} if len(rows) > 1 else {})
    for title, row in shown.items():
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
    """Draw the worst, the median and the best gather, and save the worst one's figure."""
    from scionwood_seismic.evaluation.figures import draw_qc_sheet

    ranked = sorted(rows, key=Row.leak, reverse=True)
    places = {len(ranked) // 2: "median", len(ranked) - 1: "best", 0: "worst"}
    titles = {ranked[place].index: (place, title) for place, title in places.items()}
    found = {row.index: row for row in rows}
    footer = "   ".join(f"{label}: {value}" for label, value in facts.items())
    pictures = []
    for index, name, result in _results(readers, sorted(titles)):
        place, title = titles[index]
        heading = f"{facts['result']}: gather {index + 1} ({name})"
        heading += f", {title} of {len(rows)} by local similarity" if len(rows) > 1 else ""
        numbers = sheet_numbers(found[index])
        figure = draw_qc_sheet(
            result, similarity_map(result), numbers, title=plain(heading), footer=plain(footer)
        )
        pictures.append((place, Picture(heading, _png(figure))))
        if place == 0:
            save_figure(figure, image, overwrite=force)
    return [picture for _, picture in sorted(pictures, key=lambda pair: pair[0])]


def _png(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=90)  # a mail must carry three of them
    figure.set_layout_engine("none")  # it has its layout; a second save need not find it again
    return buffer.getvalue()
