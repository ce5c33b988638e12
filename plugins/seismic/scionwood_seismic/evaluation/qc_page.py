"""The quality-control (QC) page: one HTML file with measures, explanations and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import final

from scionwood.authoring import Figure, Page, Section, Table, render
from scionwood_seismic.evaluation.gather_qc import Row
from scionwood_seismic.evaluation.light import plain

LISTED = 5
"""The largest number of gathers that a warning names."""

READING: Mapping[str, str] = {
    "local similarity": "Mean over the gather, between the denoised and the removed part. Lower "
    "values mean less leakage; high values show signal in the removed part.",
    "energy removed": "Share of the energy of the input. It measures how much was removed, not "
    "whether that was noise.",
    "MS-SSIM-R": "Similarity of the removed part and the input. Lower values mean less leakage. "
    "The value rises with the noise level, so compare methods on the same gather only.",
    "kurtosis removed": "Excess kurtosis, 0 for Gaussian noise. Spikes, bursts and signal raise "
    "it.",
    "correlation": "Between input and denoised. It falls as more is removed, noise or signal.",
    "amplitude ratio": "RMS of denoised over RMS of input. Removing noise makes it less than 1.",
    "SNR, reference": "dB. It must exceed the value of the unprocessed input.",
    "PSNR, reference": "dB. It must exceed the value of the unprocessed input.",
    "MS-SSIM, reference": "1 for equal gathers. It must exceed the value of the unprocessed input.",
    "amplitude ratio, reference": "RMS of denoised over RMS of reference. Values other than 1 mean "
    "that amplitudes changed.",
}
"""Measure -> how to read it."""

LOOK: Mapping[str, str] = {
    "removed": "Events in this panel are lost signal: reflections, first arrivals, diffractions.",
    "f-k": "A dip that is bright in removed and dark in denoised was treated as noise.",
    "spectrum": "At frequencies where removed reaches the input, nothing is left.",
    "local similarity": "Bright shapes that follow events are signal that was removed.",
    "unprocessed": "The unprocessed input has no leakage at all. Read leakage together with the "
    "energy removed.",
    "harm gate": "Events of known amplitude were added to the gather, and the amplitude that came "
    "back was measured: of five kinds, strong (4 times the local RMS) and weak (1 to 1.5 times). "
    "The worst kind counts.",
    "kept amplitude": "Dark points are places where events are lost: large points are strong "
    "events, small ones weak.",
    "grey": "Traces that are dead or not finite; they are not measured.",
}
"""Part of the figures -> what to look for."""


@final
@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes:
        title: the caption, any text.
        png: the image, PNG bytes.
    """

    title: str
    png: bytes


@final
@dataclass(frozen=True)
class QcPage:
    """The content of a QC page.

    Attributes:
        title: the title, any text.
        rows: the measured gathers; at least one has values.
        gathers: number of gathers in the file.
        pictures: the figures, in order.
        facts: label -> text, for the footer.
    """

    title: str
    rows: Sequence[Row]
    gathers: int
    pictures: Sequence[Picture]
    facts: Mapping[str, str]


def render_qc(page: QcPage) -> str:
    """Return the page as HTML. It contains its images, loads nothing and runs no script."""
    measured = [row for row in page.rows if row.values]
    figures = [Figure(plain(picture.title), picture.png) for picture in page.pictures]
    return render(
        Page(
            f"Denoising QC: {plain(page.title)}",
            [
                Section("Measures", [_extent(page, measured), _summary(measured)]),
                Section("What to look for", [LOOK]),
                Section("Gathers", figures),
                Section("All measured gathers", [_order(page), _gathers(page.rows, measured)]),
            ],
            warning=_warning(page.rows),
            facts={plain(name): plain(text) for name, text in page.facts.items()},
        )
    )


def number(value: float) -> str:
    """Return three significant digits, without rounding errors near zero; `-` if undefined."""
    return "-" if math.isnan(value) else f"{round(value, 5):z.3g}"


def sheet_numbers(row: Row) -> dict[str, str]:
    """Return the text beside the figures of a gather: measure -> value (unprocessed value)."""
    lines = {"": "denoised (unprocessed)"}
    for label, value in row.values.items():
        lines[label] = f"{number(value)} ({number(row.unprocessed[label])})"
    dead = f"{row.dead} dead" + (f", {row.broken} broken" if row.broken else "")
    lines["traces"] = f"{row.traces}, {dead}"
    if row.verdict is not None:
        lines["recovered, strong / weak"] = " / ".join(_amplitudes(row))
        lines["harm gate"] = row.verdict.phrase
    return lines


def _summary(measured: Sequence[Row]) -> Table:
    head = ("measure", "unprocessed", "denoised, median", "lowest", "highest", "how to read it")
    rows = []
    for label, hint in READING.items():
        if label not in measured[0].values:
            continue
        values = [row.values[label] for row in measured if not math.isnan(row.values[label])]
        ends = [median(values), min(values), max(values)] if values else [math.nan] * 3
        unprocessed = median(row.unprocessed[label] for row in measured)
        rows.append((label, *map(number, (unprocessed, *ends)), hint))
    return Table(head, rows)


def _gathers(rows: Sequence[Row], measured: Sequence[Row]) -> Table:
    labels = list(measured[0].values)
    gated = any(row.verdict is not None for row in rows)
    extra = ("recovered, strong", "recovered, weak", "harm gate") if gated else ()
    ranked = sorted(measured, key=Row.leak, reverse=True)
    body = []
    for row in [*ranked, *(row for row in rows if not row.values)]:
        numbers = [number(row.values.get(label, math.nan)) for label in labels]
        dead = str(row.dead + row.broken)
        first = (str(row.index + 1), plain(row.name), str(row.traces), dead)
        body.append((*first, *(_gate_cells(row) if gated else ()), *numbers))
    return Table(("gather", "key", "traces", "dead", *extra, *labels), body)


def _gate_cells(row: Row) -> tuple[str, str, str]:
    if row.verdict is None:
        return "-", "-", "-"
    return (*_amplitudes(row), row.verdict.phrase)


def _amplitudes(row: Row) -> tuple[str, str]:
    assert row.verdict is not None
    strong, weak = row.verdict.strong, row.verdict.weak
    first, second = ("-" if x is None else f"{x:.2f}" for x in (strong, weak))
    return first, second


def _warning(rows: Sequence[Row]) -> str:
    broken = sum(row.broken for row in rows)
    texts = [f"{broken} live traces are not finite in the output. They are not measured."]
    verdicts = [row.verdict for row in rows if row.verdict is not None]
    kinds = {
        "lose more amplitude than the limit": [v for v in verdicts if v.light == "red"],
        "are yellow": [v for v in verdicts if v.light == "yellow"],
    }
    for what, chosen in kinds.items():
        reasons = [plain(f"{v.gather}: {v.reason}") for v in chosen]
        more = f", and {len(reasons) - LISTED} more" if len(reasons) > LISTED else ""
        texts.append(
            f"{len(reasons)} gathers {what}. {'; '.join(reasons[:LISTED])}{more}."
            if reasons
            else ""
        )
    return " ".join(texts if broken else texts[1:]).strip()


def _extent(page: QcPage, measured: Sequence[Row]) -> str:
    count, dead = len(page.rows), len(page.rows) - len(measured)
    text = f"Measured on {count} of {page.gathers} gathers"
    text += ", evenly spaced." if count < page.gathers else "."
    return f"{text} {dead} of them have no trace to measure." if dead else text


def _order(page: QcPage) -> str:
    is_subset = len(page.rows) < page.gathers
    text = (
        f"{len(page.rows)} evenly spaced gathers of {page.gathers}" if is_subset else "All gathers"
    )
    return f"{text}, the highest local similarity first. Dead traces are not measured."
