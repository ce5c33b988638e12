"""Samples of letters and labelled texts, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from pathlib import Path

from scionwood_bangla.evaluation.corpus import read_corpus
from scionwood_bangla.text.reading import read_text
from scionwood_kit import Parser

_LETTER = "প্রিয় বন্ধু,\nতুমি কেমন আছ? আমি ভালো আছি।\nইতি,\nরহিম\n"


_LINES = """\
{"text": "তুমি কেমন আছ?", "register": "tumi"}
{"completion": "আপনি আসুন।", "register": ["apni"]}
"""


class Letters(Parser):
    """Letters as plain text."""

    suffixes = (".txt",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the normalised text."""
        return read_text(path)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a short letter to a friend."""
        path.write_text(_LETTER, "utf-8")


class Corpora(Parser):
    """Texts with their accepted levels, as JSON lines."""

    suffixes = (".jsonl",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the texts, each with its levels in order."""
        texts, registers = read_corpus(path)
        return [(text, sorted(levels)) for text, levels in zip(texts, registers, strict=True)]

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two texts."""
        path.write_text(_LINES, "utf-8")
