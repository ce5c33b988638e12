"""Samples of conversations and letters, which `scionwood check --fuzz` damages."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from scionwood_bangla.readers.load import read_examples
from scionwood_bangla.text.reading import read_text
from scionwood_kit import Parser

_ROWS = [
    {"prompt": "বন্ধুকে চিঠি লেখো।", "completion": "তুমি কেমন আছ? আমি ভালো আছি।", "register": "tumi"},
    {"prompt": "শিক্ষককে চিঠি লিখুন।", "completion": "আপনি কেমন আছেন?", "register": "apni"},
]
_LETTER = "প্রিয় বন্ধু,\nতুমি কেমন আছ? আমি ভালো আছি।\nইতি,\nরহিম\n"


class Examples(Parser):
    """Conversations as JSON lines, JSON, CSV, TSV and Parquet."""

    suffixes = (".jsonl", ".json", ".csv", ".tsv", ".parquet")

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the conversations."""
        return read_examples(path)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two questions with their answers."""
        if path.suffix == ".parquet":
            from pyarrow import Table
            from pyarrow.parquet import write_table

            write_table(Table.from_pylist(_ROWS), path)
        elif path.suffix == ".jsonl":
            turns = [
                {"role": "user", "content": "নমস্কার"},
                {"role": "assistant", "content": "আপনি কেমন আছেন?"},
            ]
            lines = [json.dumps({"messages": turns}, ensure_ascii=False) for _ in range(2)]
            path.write_text("\n".join(lines) + "\n", "utf-8")
        elif path.suffix == ".json":
            path.write_text(json.dumps({"data": _ROWS}, ensure_ascii=False), "utf-8")
        else:
            with path.open("w", newline="", encoding="utf-8") as file:
                marks = "\t" if path.suffix == ".tsv" else ","
                writer = csv.DictWriter(file, list(_ROWS[0]), delimiter=marks)
                writer.writeheader()
                writer.writerows(_ROWS)


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
