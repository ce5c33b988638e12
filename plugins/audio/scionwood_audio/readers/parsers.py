"""Samples of selections, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from pathlib import Path

from scionwood_audio.readers.selections import Selection, read_selections, write_selections
from scionwood_kit import Parser


class Selections(Parser):
    """A table of Raven, and the same selections as CSV."""

    suffixes = (".txt", ".csv")

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the selections."""
        return read_selections(path)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write three selections with bands and scores."""
        marked = [Selection(t, t + 0.75, "song", 2000.0, 5000.0, 0.5) for t in (0.5, 2.0, 7.25)]
        write_selections(path, marked, force=True)
