"""An audit as one HTML page that needs no other file."""

from __future__ import annotations

from pathlib import Path

from scionwood.authoring import Number, Numbers, Page, Section, Table, atomic_path, render, writing
from scionwood_audit.record import PARTS, Audit, Row

WORDS = {"kept": "kept", "broken": "BROKEN", "skipped": "not checked", "note": ""}

LIMITS = (
    "An audit lists evidence. It never calls an adapter harmless: probes find the faults that they "
    "look for, and an attacker who knows them can pass.",
    "Weights are judged without data, before use, against references of the same base, method, "
    "rank and targets only. With labelled data of your own, measure the accuracy too: on the "
    "benchmark of the scan it finds more poisoned adapters than the weights do.",
)

MEANINGS = {
    "refused": "A rule of structure or origin is broken. Loading refuses it too, or should.",
    "anomalous": "The files are in order, and at least one limit is broken.",
    "no reference": "Nothing was found, and nothing comparable was there to judge the weights.",
}


def write_page(audit: Audit, path: Path) -> None:
    """Write an audit as a page.

    Raises:
        WriteError: the disk is full or not writable.
    """
    with writing(path), atomic_path(path) as part:
        part.write_text(render(page_of(audit)), encoding="utf-8")


def page_of(audit: Audit) -> Page:
    """Return the page: the verdict, the counts, and a table for each part.

    Example:
        >>> from scionwood_audit import Audit, Row, page_of
        >>> page_of(Audit("a folder", [Row("origin", "signature", "skipped", "none")])).title
        'Audit of a folder: no reference'
    """
    consistent = "Nothing was found, and the weights lie within those of the references."
    meaning = MEANINGS.get(audit.verdict, consistent)
    parts = [part for part in PARTS if any(row.part == part for row in audit.rows)]
    broken = [row for row in audit.rows if row.status == "broken"]
    return Page(
        f"Audit of {audit.subject}: {audit.verdict}",
        [
            meaning,
            _numbers(audit),
            *([Section("What is broken", [_table(broken, of_one=False)])] if broken else []),
            *(Section(part.capitalize(), [_table(_of(audit, part))]) for part in parts),
        ],
        warning=f"{len(broken)} rules or limits are broken." if broken else "",
        notes=LIMITS,
        facts=audit.facts,
    )


def _numbers(audit: Audit) -> Numbers:
    counts: list[str] = [row.status for row in audit.rows]
    names = {"kept": "rules and limits kept", "broken": "broken", "skipped": "not checked"}
    items = [Number(label, str(counts.count(status)), "") for status, label in names.items()]
    return Numbers([Number("verdict", audit.verdict, ""), *items])


def _of(audit: Audit, part: str) -> list[Row]:
    return [row for row in audit.rows if row.part == part]


def _table(rows: list[Row], *, of_one: bool = True) -> Table:
    head = ["check", "result", "found", "limit", "why"]
    cells = [[row.name, WORDS[row.status], row.value, row.limit, row.reason] for row in rows]
    if of_one:
        return Table(head, cells)
    return Table(["part", *head], [[row.part, *c] for row, c in zip(rows, cells, strict=True)])
