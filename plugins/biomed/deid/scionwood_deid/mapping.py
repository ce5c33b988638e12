"""The mapping from copies to sources, which is kept apart from the copies, and what it tells."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, final

from scionwood_sandbox import reading, writing

Status = Literal["", "copied", "refused"]
NAME = "mapping.csv"
_NAMES = "surrogateescape"
"""Names of files may hold bytes that are no UTF-8."""


@final
@dataclass(frozen=True)
class Entry:
    """What became of one source.

    Attributes:
        source: its name, relative to the folder.
        size: bytes of the source.
        modified: its time of change in ns.
        order: what tells the key and the options from others.
        status: `copied` or `refused`.
        target: the copy, relative to the folder of copies.
        findings: what the verifier finds in the copy, without pixels.
        pixels: why the pixels of the copy may hold text.
        note: why it is refused, or what else to know.
        patient: PatientID of the source.
        subject: the pseudonym of the patient.
        study: StudyInstanceUID of the source.
        series: SeriesInstanceUID of the source.
        instance: SOPInstanceUID of the source.
    """

    source: str
    size: int
    modified: int
    order: str
    status: Status = ""
    target: str = ""
    findings: str = ""
    pixels: str = ""
    note: str = ""
    patient: str = ""
    subject: str = ""
    study: str = ""
    series: str = ""
    instance: str = ""

    def refused(self, reason: str) -> Entry:
        """Return the entry of a source that was not copied."""
        return replace(self, status="refused", target="", note=reason)

    def copied(self, target: str, findings: Sequence[str], pixels: str, note: str) -> Entry:
        """Return the entry of a source that was copied."""
        listed = "; ".join(findings)
        return replace(
            self, status="copied", target=target, findings=listed, pixels=pixels, note=note
        )

    def of(self, patient: str, subject: str, study: str, series: str, instance: str) -> Entry:
        """Return the entry with the identity of the source."""
        return replace(
            self, patient=patient, subject=subject, study=study, series=series, instance=instance
        )

    @property
    def safe(self) -> bool:
        """Whether the copy was verified, pixels included."""
        return self.status == "copied" and not self.findings and not self.pixels


COLUMNS = tuple(column.name for column in fields(Entry))


def read_mapping(path: Path) -> dict[str, Entry]:
    """Read a mapping: source to its last entry; none if there is no file.

    A last line that was not written whole is left out.

    Args:
        path: the file.

    Raises:
        ReadError: it is damaged.
    """
    if not path.exists():
        return {}
    with reading(path, "mapping"), path.open(newline="", encoding="utf-8", errors=_NAMES) as file:
        # A line that was cut off has too few cells (a value is None); one that was written behind
        # it on the same line has too many (a key is None).
        rows = [row for row in csv.DictReader(file) if None not in row.values() and None not in row]
        entries = (
            Entry(**{**row, "size": int(row["size"]), "modified": int(row["modified"])})  # type: ignore[arg-type]
            for row in rows
            if row["source"] and row["status"] in ("copied", "refused")
        )
        # The file is only ever appended to, so that the last row of a source is the one in force.
        return {entry.source: entry for entry in entries}


@contextmanager
def appending(path: Path) -> Iterator[csv.DictWriter[str]]:
    """Open a mapping to add entries, each on the disk as soon as it is written.

    Args:
        path: the file; only its owner may read it.
    """
    # The mapping undoes the pseudonyms: nobody but its owner may read it, at any moment.
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with writing(path):
        content = path.read_bytes() if path.exists() else b""
        new, cut = not content, bool(content) and not content.endswith(b"\n")
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(
            descriptor, "a", buffering=1, newline="", encoding="utf-8", errors=_NAMES
        ) as file:
            table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            if cut:  # the last run ended in the middle of a line
                file.write("\n")
            if new:
                table.writeheader()
            yield table


def todo(
    folder: Path, target: Path, names: Sequence[str], earlier_entries: dict[str, Entry], order: str
) -> list[str]:
    """Return the sources that are still to copy: new ones, changed ones, and others' orders.

    Args:
        folder: the folder of the sources.
        target: the folder of the copies.
        names: the sources.
        earlier_entries: entries of an earlier run.
        order: the mark of this run's order.
    """

    def is_done(name: str) -> bool:
        entry, status = earlier_entries.get(name), (folder / name).stat()
        if entry is None or (entry.size, entry.modified, entry.order) != (
            status.st_size,
            status.st_mtime_ns,
            order,
        ):
            return False
        # A refusal follows from the bytes and the options, and neither has changed.
        return entry.status == "refused" or (target / entry.target).is_file()

    return [name for name in names if not is_done(name)]


def remove_stale(target: Path, names: Sequence[str], earlier_entries: dict[str, Entry]) -> None:
    """Remove copies of sources that are to be copied anew, with other options or content.

    Args:
        target: the folder of the copies.
        names: the sources that are to be copied.
        earlier_entries: entries of an earlier run.
    """
    for entry in (earlier_entries[name] for name in names if name in earlier_entries):
        if entry.target:
            with writing(target / entry.target):
                (target / entry.target).unlink(missing_ok=True)


def row(entry: Entry) -> dict[str, object]:
    """Return an entry as a row of the table."""
    return asdict(entry)
