"""The tables of the study: one row for a run, and one for each choice of a rate."""

from __future__ import annotations

import csv
import fcntl
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from lora.timing import processor

from scionwood.authoring import atomic_path
from study.settings import Run

RESULTS = Path(__file__).parents[1] / "results"
COLUMNS = (
    *("task", "base", "method", "n", "draw", "score", "readout", "value", "steps", "seconds"),
    *("trained", "stored", "forgetting", "margin", "drift", "items", "settings"),
    *("torch", "peft", "machine", "date"),
)
CHOSEN = ("task", "method", "n", "draw", "value", "readout", "valid", "trials", "settings")
Row = dict[str, Any]


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a table; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def add(path: Path, row: Mapping[str, Any], columns: tuple[str, ...], same: Sequence[str]) -> None:
    """Add a row to a table, in place of a former one that is equal in some columns.

    Two processes may add to one table.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        kept = [r for r in read(path) if any(r[name] != str(row[name]) for name in same)]
        write(path, [*kept, row], columns)
    finally:
        os.close(folder)


def write(path: Path, rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    """Write a table, sorted by its first five columns."""
    table = sorted(rows, key=lambda row: [_rank(row[name]) for name in columns[:5]])
    with atomic_path(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def _rank(value: Any) -> tuple[int, float, str]:
    text = str(value)
    return (0, float(text), "") if re.fullmatch(r"\d+([.]\d+)?", text) else (1, 0.0, text)


def key(row: Mapping[str, Any]) -> Run:
    """Return the run of a row."""
    return Run(row["task"], row["base"], row["method"], int(row["n"]), int(row["draw"]))


def about() -> Row:
    """Return the columns that say where and when a row was measured."""
    return {
        "torch": version("torch"),
        "peft": version("peft"),
        "machine": processor("cpu"),
        "date": datetime.now(UTC).date().isoformat(),
    }


def packed(right: Iterable[bool]) -> str:
    """Return right and wrong of each test image as hexadecimal digits, with their number."""
    bits = np.array(list(right), np.uint8)
    return f"{len(bits)}:{np.packbits(bits).tobytes().hex()}"


def items(text: str) -> np.ndarray:
    """Return what each test item scored: 0 or 1 for images, nats for sequences."""
    if ":" not in text:
        return np.array([float(each) for each in text.split()])
    count, digits = text.split(":")
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8))
    return bits[: int(count)].astype(float)
