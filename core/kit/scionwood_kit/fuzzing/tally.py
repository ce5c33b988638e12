"""Count what became of the mutations of a sample, and write the counts as a table."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scionwood_kit.fuzzing.reading import FAULTS, HARMLESS
from scionwood_sandbox.files import atomic_path

COLUMNS = ("sample", "mutations", *HARMLESS, *FAULTS)
"""The columns of the table: the sample, its mutations, and one for each kind."""

REACHED = ("foreign", "death", "hang", "escaped")
"""The faults that fail the command. The service ends the others by an error."""


@dataclass
class Tally:
    """The counts of one sample.

    Attributes:
        sample: its name.
        counts: readings by kind.
        cases: the files of new cases, with what happened.
        problem: why the sample could not be read undamaged, or an empty text.
    """

    sample: str
    counts: Counter[str] = field(default_factory=Counter)
    cases: list[tuple[str, str]] = field(default_factory=list)
    problem: str = ""

    @property
    def total(self) -> int:
        """The number of mutations."""
        return self.counts.total()

    @property
    def failed(self) -> bool:
        """Whether something reached the caller that is no error of ours."""
        return bool(self.problem) or any(self.counts[kind] for kind in REACHED)

    def row(self) -> list[str | int]:
        """Return the cells of `COLUMNS`."""
        kinds = (*HARMLESS, *FAULTS)
        return [self.sample, self.total, *(self.counts[k] for k in kinds)]


def write_tallies(tallies: Sequence[Tally], path: Path) -> None:
    """Write a CSV file with a row for each sample, beside the rows of other samples in it.

    Args:
        tallies: the counts.
        path: the file; rows of samples that are not counted anew stay.
    """
    rows = {row[0]: row for row in _rows(path)} if path.exists() else {}
    rows |= {tally.sample: [str(cell) for cell in tally.row()] for tally in tallies}
    with (
        atomic_path(path, overwrite=True) as part,
        part.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows[name] for name in sorted(rows))


def _rows(path: Path) -> Iterable[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))[1:]
