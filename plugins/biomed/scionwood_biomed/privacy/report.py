"""The report of a folder: counts, what was not copied, and what to look at, as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from scionwood.authoring import Number, Numbers, Page, Section, Table, atomic_path, render, writing
from scionwood_biomed.privacy.copying import Order
from scionwood_biomed.privacy.mapping import Entry
from scionwood_biomed.privacy.profile import CODES
from scionwood_biomed.privacy.tables import EDITION

NAME = "report.html"
_MAX_ROWS = 500
"""Rows of a table; the mapping has all of them."""


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
    counts = summary_of(entries)
    numbers = [
        Number("verified copies", str(counts.copied), "with a look at their pixels"),
        Number("pixels to look at", str(counts.look), "they state NO"),
        Number("with findings", str(counts.found), "they state NO"),
        Number("not copied", str(counts.refused)),
        Number("subjects", str(len({entry.subject for entry in entries if entry.subject}))),
    ]
    parts: list[str | Numbers | Section] = [Numbers(numbers), *_sections(entries)]
    options = ", ".join(sorted(CODES[name][1] for name in order.profile.options))
    page = Page(
        "De-identification of a folder",
        parts,
        warning="" if counts.safe else "Not every copy is safe to pass on: see the tables.",
        notes=["This page names files of the source. Keep it with the mapping, apart from copies."],
        facts={"PS3.15": EDITION, "options": options, "text detector": _detector(order)},
    )
    with writing(path), atomic_path(path) as part:
        part.write_bytes(render(page).encode("utf-8", "backslashreplace"))


def _detector(order: Order) -> str:
    if not order.pixels.detect_text:
        return "no detector ran"
    return "looked at up to four frames of each image; that it sees no text is no proof"


def _sections(entries: Sequence[Entry]) -> list[Section]:
    sections = []
    copies = [entry for entry in entries if entry.status == "copied"]
    for title, column, chosen in (
        ("Pixels to look at", "why", [(e.target, e.pixels) for e in copies if e.pixels]),
        (
            "Findings of the verifier",
            "what",
            [(e.target, e.findings) for e in copies if e.findings],
        ),
        ("Not copied", "why", [(e.source, e.note) for e in entries if e.status == "refused"]),
        ("Notes", "note", [(e.target, e.note) for e in copies if e.note]),
    ):
        if chosen:
            often = Counter(text for _, text in chosen).most_common(1)[0]
            note = f"{len(chosen)} files; most often: {often[0]} ({often[1]})"
            sections.append(Section(title, [Table(("file", column), chosen[:_MAX_ROWS], note)]))
    return sections
