"""A sample of preference pairs, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from pathlib import Path

from scionwood_bangla.data.pairs import Preference, read_preferences, write_preferences
from scionwood_bangla.text.examples import Message
from scionwood_kit import Parser


class Preferences(Parser):
    """Pairs of a better and a worse answer, as JSON lines."""

    suffixes = (".jsonl",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the pairs, with their levels in order."""
        pairs = read_preferences(path)
        return [(p.prompt, p.chosen, p.rejected, sorted(p.register)) for p in pairs]

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two pairs."""
        prompt = (Message("user", "বন্ধুকে চিঠি লেখো।"),)
        pair = Preference(prompt, "তুমি কেমন আছ?", "আপনি কেমন আছেন?", frozenset({"tumi"}))
        write_preferences([pair, pair], path, overwrite=True)
