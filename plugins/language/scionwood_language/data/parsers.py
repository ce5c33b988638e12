"""A sample of preference pairs, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from pathlib import Path

from scionwood_kit import Parser
from scionwood_language.readers.pairs import read_pairs


class Preferences(Parser):
    """Pairs of a better and a worse answer, as JSON lines."""

    suffixes = (".jsonl",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the pairs."""
        return read_pairs(path, lambda pair, record, where: pair)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two pairs."""
        line = '{"prompt": "What is 2 + 2?", "chosen": "4.", "rejected": "5."}\n'
        path.write_text(2 * line, "utf-8")
