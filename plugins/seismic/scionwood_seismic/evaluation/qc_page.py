"""The QC page: one HTML file that needs nothing else, for a browser, a mail or a printer."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from statistics import median
from typing import final

from scionwood_seismic.evaluation.gather_qc import Row

READING: Mapping[str, str] = {
    "local similarity": "Of denoised and removed, mean. Lower leaks less; high values are signal "
    "in the removed panel.",
    "energy removed": "Share of the input's. Says how much was done, not whether it was right.",
    "MS-SSIM-R": "Likeness of removed and input. Lower leaks less, but it rises with the share of "
    "noise: compare methods on one gather only.",
    "kurtosis removed": "Excess over Gaussian noise. Spikes and bursts raise it, and so does "
    "signal.",
    "correlation": "Of input and denoised. Falls as more is removed, noise or signal.",
    "amplitude ratio": "RMS, denoised over input. With noise in the input it must fall below 1.",
    "SNR, reference": "dB. Must exceed that of doing nothing.",
    "PSNR, reference": "dB. Must exceed that of doing nothing.",
    "MS-SSIM, reference": "1 for equal gathers. Must exceed that of doing nothing.",
    "amplitude ratio, reference": "RMS, denoised over reference. Away from 1, amplitudes are not "
    "kept.",
}
"""What to look for in each number."""

LOOK = (
    ("removed", "Events in it are lost signal: reflections, first arrivals, diffractions."),
    ("f-k", "A dip that is bright in removed and dark in denoised was taken for noise."),
    ("spectrum", "Where removed meets input, nothing is left at that frequency."),
    ("local similarity", "Bright shapes that follow events are signal that was removed."),
    ("doing nothing", "It leaks nothing and scores perfectly there, so read leakage and energy "
    "removed together."),
    ("grey", "Traces that are dead or not finite; nothing is measured on them."),
)  # fmt: skip
"""What to look for in the figures."""

STYLE = """
:root{color-scheme:light}
body{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:2rem auto;
max-width:75rem;padding:0 1rem}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2rem;
break-after:avoid}
table{border-collapse:collapse;width:100%}thead{display:table-header-group}
th,td{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right;vertical-align:top;
font-variant-numeric:tabular-nums}
th{background:#f2f4f7}td.text,th.text{text-align:left}.key{white-space:nowrap}.hint{width:45%}
tr{break-inside:avoid}figure{margin:1.5rem 0;break-inside:avoid}
img{max-width:100%;height:auto}figcaption{font-weight:600;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto;font-size:.85rem}
.warning{border-left:4px solid #b00020;padding:.4rem .8rem;background:#fdecef}
footer{break-inside:avoid;margin-top:2rem;border-top:1px solid #ddd;color:#555;font-size:.85rem}
@page{margin:12mm}
@media print{body{margin:0;max-width:none;font-size:8.5pt}th,td{padding:.12rem .35rem}
th{print-color-adjust:exact}
img{max-height:240mm}.wide{font-size:7pt;overflow:visible}.wide th,.wide td{padding:.15rem .2rem}}
"""


@final
@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes:
        title: its caption, any text.
        png: the image.
    """

    title: str
    png: bytes


@final
@dataclass(frozen=True)
class Page:
    """What a page shows.

    Attributes:
        title: of the page, any text.
        rows: the gathers that were measured, one of them live.
        gathers: how many the file has.
        pictures: the figures, in order.
        facts: the footer: label -> any text.
    """

    title: str
    rows: Sequence[Row]
    gathers: int
    pictures: Sequence[Picture]
    facts: Mapping[str, str]


def render(page: Page) -> str:
    """The page as HTML, its images inside; it loads nothing and runs no script."""
    live = [row for row in page.rows if row.values]
    title = f"Denoising QC: {_safe(page.title)}"
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = (
        '<meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style>"
    )
    body = [
        f"<h1>{title}</h1>",
        _warning(page.rows),
        f"<h2>Numbers</h2><p>{_extent(page, live)}</p>",
        _summary(live),
        f"<h2>What to look for</h2>{_definitions(dict(LOOK))}",
        f"<h2>Gathers</h2>{''.join(map(_figure, page.pictures))}",
        f"<h2>Gather by gather</h2><p>{_order(page)}</p>",
        f'<div class="wide">{_gathers(page.rows, live)}</div>',
        f"<footer>{_definitions({**page.facts, 'written': _now()})}</footer>",
    ]
    document = f"<head>{head}</head><body>{''.join(body)}</body>"
    return f'<!doctype html><html lang="en">{document}</html>\n'


def number(value: float) -> str:
    """Three digits, without rounding errors near zero; `-` where the number is not defined."""
    return "-" if math.isnan(value) else f"{round(value, 5):z.3g}"


def plain(text: str) -> str:
    """Any file name as text that can be printed: no line breaks, no half characters."""
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in whole)


def sheet_numbers(row: Row) -> dict[str, str]:
    """What stands beside the figures of a gather: each number, and what doing nothing scores."""
    lines = {"": "denoised (doing nothing)"}
    for label, value in row.values.items():
        lines[label] = f"{number(value)} ({number(row.idle[label])})"
    dead = f"{row.dead} dead" + (f", {row.broken} broken" if row.broken else "")
    return lines | {"traces": f"{row.traces}, {dead}"}


def _summary(live: Sequence[Row]) -> str:
    heads = ("", "doing nothing", "denoised, median", "lowest", "highest", "how to read it")
    body = []
    for label, hint in READING.items():
        if label not in live[0].values:
            continue
        values = [row.values[label] for row in live if not math.isnan(row.values[label])]
        ends = [median(values), min(values), max(values)] if values else [math.nan] * 3
        idle = median(row.idle[label] for row in live)
        cells = [label, *map(number, (idle, *ends)), hint]
        body.append(_cells(cells, {0: "text key", 5: "text hint"}))
    return _table(_cells(heads, {0: "text", 5: "text"}, tag="th"), body)


def _gathers(rows: Sequence[Row], live: Sequence[Row]) -> str:
    labels = list(live[0].values)
    heads = ("gather", "key", "traces", "dead", *labels)
    ranked = sorted(live, key=Row.leak, reverse=True)
    body = []
    for row in [*ranked, *(row for row in rows if not row.values)]:
        numbers = [number(row.values.get(label, math.nan)) for label in labels]
        first = (str(row.index + 1), row.name, str(row.traces), str(row.dead + row.broken))
        body.append(_cells((*first, *numbers), {1: "text key"}))
    return _table(_cells(heads, {1: "text"}, tag="th"), body)


def _table(head: str, body: Sequence[str]) -> str:
    return f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>"


def _cells(values: Sequence[str], classes: Mapping[int, str], *, tag: str = "td") -> str:
    cells = (
        f'<{tag} class="{classes.get(i, "")}">{_safe(value)}</{tag}>'
        for i, value in enumerate(values)
    )
    return f"<tr>{''.join(cells)}</tr>"


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode("ascii")
    title = _safe(picture.title)
    image = f'<img alt="{title}" src="data:image/png;base64,{data}">'
    return f"<figure><figcaption>{title}</figcaption>{image}</figure>"


def _definitions(items: Mapping[str, str]) -> str:
    return (
        f"<dl>{''.join(f'<dt>{_safe(k)}</dt><dd>{_safe(v)}</dd>' for k, v in items.items())}</dl>"
    )


def _warning(rows: Sequence[Row]) -> str:
    broken = sum(row.broken for row in rows)
    text = f"{broken} live traces are not finite in the output. They are not measured."
    return f'<p class="warning">{text}</p>' if broken else ""


def _extent(page: Page, live: Sequence[Row]) -> str:
    measured, dead = len(page.rows), len(page.rows) - len(live)
    text = f"Measured on {measured} of {page.gathers} gathers"
    text += ", evenly chosen." if measured < page.gathers else "."
    return f"{text} {dead} of them have no trace to measure." if dead else text


def _order(page: Page) -> str:
    some = len(page.rows) < page.gathers
    text = f"{len(page.rows)} evenly chosen of {page.gathers} gathers" if some else "All gathers"
    return f"{text}, the highest local similarity first. Dead traces are not measured."


def _safe(text: str) -> str:
    return escape(plain(text))


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
