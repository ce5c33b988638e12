"""Samples of conversations and of pairs, which `scionwood check --fuzz` damages."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from scionwood_kit import Parser
from scionwood_language.readers.load import read_conversations
from scionwood_language.readers.pairs import read_pairs

_ROWS = [
    {"prompt": "What is 2 + 2?", "completion": "4.", "topic": "sums"},
    {"prompt": "Name a prime.", "completion": "7.", "topic": "primes"},
]


class Conversations(Parser):
    """Conversations as JSON lines, JSON, CSV, TSV and Parquet."""

    suffixes = (".jsonl", ".json", ".csv", ".tsv", ".parquet")

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the conversations."""
        return read_conversations(path)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two questions with their answers."""
        if path.suffix == ".parquet":
            from pyarrow import Table
            from pyarrow.parquet import write_table

            write_table(Table.from_pylist(_ROWS), path)
        elif path.suffix == ".jsonl":
            turns = [
                {"role": "user", "content": "What is 2 + 2?"},
                {"role": "assistant", "content": "4."},
            ]
            path.write_text("\n".join([json.dumps({"messages": turns})] * 2) + "\n", "utf-8")
        elif path.suffix == ".json":
            path.write_text(json.dumps({"data": _ROWS}), "utf-8")
        else:
            with path.open("w", newline="", encoding="utf-8") as file:
                marks = "\t" if path.suffix == ".tsv" else ","
                writer = csv.DictWriter(file, list(_ROWS[0]), delimiter=marks)
                writer.writeheader()
                writer.writerows(_ROWS)


class Preferences(Parser):
    """Pairs of a better and a worse answer, as JSON lines."""

    suffixes = (".jsonl",)

    @classmethod
    def parse(cls, path: Path) -> object:
        """Return the pairs."""
        return read_pairs(path)

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write two pairs."""
        line = '{"prompt": "What is 2 + 2?", "chosen": "4.", "rejected": "5."}\n'
        path.write_text(2 * line, "utf-8")
