"""Samples of labelled texts, which `scionwood check --fuzz` damages."""

from __future__ import annotations

from pathlib import Path

from scionwood_bangla.evaluation.corpus import read_corpus
from scionwood_kit import Parser

_LINES = """\
{"text": "তুমি কেমন আছ?", "register": "tumi"}
{"completion": "আপনি আসুন।", "register": ["apni"]}
"""


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
