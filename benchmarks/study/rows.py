"""The tables of the study: one row for a run, and one for each choice of a rate."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from runner import RESULTS as RESULTS
from runner import Row, machine, replace_rows
from runner import read as read
from runner import write as write_table

from study.settings import Run

COLUMNS = (
    *("task", "base", "method", "n", "draw", "score", "readout", "value", "steps", "seconds"),
    *("trained", "stored", "forgetting", "margin", "drift", "items", "settings"),
    *("torch", "peft", "machine", "date"),
)
CHOSEN = ("task", "method", "n", "draw", "value", "readout", "valid", "trials", "settings")


def add(path: Path, row: Mapping[str, Any], columns: tuple[str, ...], same: Sequence[str]) -> None:
    """Add a row to a table, in place of a former one that is equal in some columns."""
    replace_rows(path, [row], same, columns=columns, order=_order(columns))


def write(path: Path, rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...]) -> None:
    """Write a table, sorted by its first five columns."""
    write_table(path, sorted(rows, key=_order(columns)), columns)


def _order(columns: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:
    return lambda row: [_rank(row[name]) for name in columns[:5]]


def _rank(value: Any) -> tuple[int, float, str]:
    text = str(value)
    return (0, float(text), "") if re.fullmatch(r"\d+([.]\d+)?", text) else (1, 0.0, text)


def key(row: Mapping[str, Any]) -> Run:
    return Run(row["task"], row["base"], row["method"], int(row["n"]), int(row["draw"]))


def about() -> Row:
    """Return the columns that say where and when a row was measured."""
    return {name: value for name, value in machine().items() if name in COLUMNS}


def packed(right: Iterable[bool]) -> str:
    """Return right and wrong of each test image as hexadecimal digits, with their number."""
    bits = np.array(list(right), np.uint8)
    return f"{len(bits)}:{np.packbits(bits).tobytes().hex()}"


def items(text: str) -> np.ndarray:
    """Return what each test item scored: 0 or 1 for images, nats for sequences."""
    if ":" not in text:
        return np.array([float(part) for part in text.split()])
    count, digits = text.split(":")
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8))
    return bits[: int(count)].astype(float)
