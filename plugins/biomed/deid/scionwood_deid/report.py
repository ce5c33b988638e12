"""The report of a folder: counts, what was not copied, and what to look at, as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import final

from scionwood_deid.mapping import Entry
from scionwood_deid.order import Order
from scionwood_deid.profile import CODES
from scionwood_deid.tables import EDITION
from scionwood_sandbox import atomic_path, writing
from scionwood_sandbox.errors import visible

NAME = "report.html"
_MAX_ROWS = 500
"""Rows of a table; the mapping has all of them."""
_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>De-identification of a folder</title>
<style>
:root { color-scheme: light dark; }
body { max-width: 70rem; margin: auto; padding: 1rem; font: 1rem/1.45 system-ui, sans-serif; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
td { border-top: 1px solid #767676; overflow-wrap: anywhere; }
</style>
<h1>De-identification of a folder</h1>"""


@final
@dataclass(frozen=True)
class Summary:
    """What became of the files of a folder.

    Attributes:
        copied: number of copies that were verified, pixels included.
        look: number of copies whose pixels may hold text; they do not state YES.
        found: number of copies in which the verifier found something; they do not state YES.
        refused: number of files that were not copied.
    """

    copied: int
    look: int
    found: int
    refused: int

    @property
    def safe(self) -> bool:
        """Whether every copy was verified."""
        return not (self.look or self.found)


def summary_of(entries: Sequence[Entry]) -> Summary:
    """Count the entries of a mapping.

    Args:
        entries: the entries.
    """
    copies = [entry for entry in entries if entry.status == "copied"]
    finding_count = sum(bool(entry.findings) for entry in copies)
    look = sum(bool(entry.pixels) and not entry.findings for entry in copies)
    return Summary(
        len(copies) - finding_count - look, look, finding_count, len(entries) - len(copies)
    )


def write_report(path: Path, entries: Sequence[Entry], order: Order) -> None:
    """Write the page of a folder; it names files, so it stays with the mapping.

    Args:
        path: the HTML file.
        entries: the entries of the mapping.
        order: how the files were copied.
    """
    with writing(path), atomic_path(path) as part:
        text = "\n".join(_lines(entries, order))
        part.write_bytes(text.encode("utf-8", "backslashreplace"))


def _lines(entries: Sequence[Entry], order: Order) -> Iterator[str]:
    counts = summary_of(entries)
    yield _HEAD
    if not counts.safe:
        yield "<p><strong>Not every copy is safe to pass on: see the tables.</strong></p>"
    numbers = {
        "verified copies, with a look at their pixels": counts.copied,
        "copies with pixels to look at: they state NO": counts.look,
        "copies with findings: they state NO": counts.found,
        "files not copied": counts.refused,
        "subjects": len({entry.subject for entry in entries if entry.subject}),
    }
    yield from _table(("", "number"), [(name, str(count)) for name, count in numbers.items()])
    yield from _sections(entries)
    options = ", ".join(sorted(CODES[name][1] for name in order.profile.options))
    facts = [("PS3.15", EDITION), ("options", options), ("text detector", _detector(order))]
    yield from _table(("how", ""), facts)
    yield "<p>This page names files of the source. Keep it with the mapping, apart from copies.</p>"


def _detector(order: Order) -> str:
    if order.pixels.blank_text:
        return "blanked what it took for text; that it sees no more is no proof"
    if not order.pixels.detect_text:
        return "no detector ran"
    return "looked at up to four frames of each image; that it sees no text is no proof"


def _sections(entries: Sequence[Entry]) -> Iterator[str]:
    copies = [entry for entry in entries if entry.status == "copied"]
    for title, column, rows in (
        ("Pixels to look at", "why", [(e.target, e.pixels) for e in copies if e.pixels]),
        (
            "Findings of the verifier",
            "what",
            [(e.target, e.findings) for e in copies if e.findings],
        ),
        ("Not copied", "why", [(e.source, e.note) for e in entries if e.status == "refused"]),
        ("Notes", "note", [(e.target, e.note) for e in copies if e.note]),
    ):
        if rows:
            often, count = Counter(text for _, text in rows).most_common(1)[0]
            yield f"<h2>{title}</h2>"
            yield f"<p>{len(rows)} files; most often: {_safe(often)} ({count})</p>"
            yield from _table(("file", column), rows[:_MAX_ROWS])


def _table(columns: tuple[str, str], rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield f"<table><tr><th>{columns[0]}</th><th>{columns[1]}</th></tr>"
    yield from (f"<tr><td>{_safe(name)}</td><td>{_safe(text)}</td></tr>" for name, text in rows)
    yield "</table>"


def _safe(text: str) -> str:
    return escape(visible(text))
