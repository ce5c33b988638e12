"""Read the rows of JSON lines, JSON, CSV, TSV and Parquet, numbered for errors."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scionwood import PluginError, ReadError
from scionwood.authoring import read_utf8, reading

Row = dict[str, Any]
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
CELL = 100_000
"""The maximum length of a cell, characters. A longer cell usually lacks a quotation mark."""


def read_rows(path: str | Path) -> Iterator[tuple[str, Row]]:
    """Yield each row of a file as `FILE, row N` and a mapping. Rows count from 1, without a header.

    Raises:
        ReadError: the file does not exist, or it is not UTF-8, damaged, or in another format. The
            row is named.
        PluginError: a Parquet file needs pyarrow, which is not installed.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        rule = f"its type is not one of {', '.join(SUFFIXES)}"
        raise ReadError(str(path), rule, "Save the table as one of these types")
    if suffix == ".parquet":
        return _parquet(path)
    text = read_utf8(path)
    if suffix in (".csv", ".tsv"):
        return _table(path, text, "\t" if suffix == ".tsv" else ",")
    return _lines(path, text) if suffix == ".jsonl" else _list(path, text)


def _lines(path: Path, text: str) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{path}, row {number}"
            yield where, _object(_parsed(line, where), where)


def _list(path: Path, text: str) -> Iterator[tuple[str, Row]]:
    rows = _parsed(text, str(path))
    if isinstance(rows, dict):  # such as {"data": [...]}
        lists = [value for value in rows.values() if isinstance(value, list)]
        rows = lists[0] if len(lists) == 1 else rows
    if not isinstance(rows, list):
        raise ReadError(str(path), "it has no list of rows", "Write [{...}, {...}]")
    for number, row in enumerate(rows, 1):
        where = f"{path}, row {number}"
        yield where, _object(row, where)


def _table(path: Path, text: str, mark: str) -> Iterator[tuple[str, Row]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, 1):
            where = f"{path}, row {number}"
            if row.pop(None, None) is not None:  # the key of csv for surplus cells
                rule = "it has more cells than the header"
                raise ReadError(where, rule, "Quote cells that contain a comma")
            yield where, {name.strip(): value for name, value in row.items() if name}
    except csv.Error as error:
        where = f"{path}, row {number + 1}"
        rule = f"it cannot be read as a table ({error})"
        remedy = "Close every quotation mark, and double quotation marks inside a cell"
        raise ReadError(where, rule, remedy) from error


def _parquet(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        remedy = "pip install pyarrow, or save the data as .jsonl"
        raise PluginError(str(path), "a Parquet file needs pyarrow", remedy) from error
    number = 0
    with reading(path, "Parquet"), ParquetFile(path) as file:
        for batch in file.iter_batches(1024):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits too
        rule, remedy = f"it is not valid JSON ({error})", "Write one JSON object per row"
        raise ReadError(where, rule, remedy) from error


def _object(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        rule = f"it has the type {type(value).__name__}, not a JSON object"
        raise ReadError(where, rule, 'Such as {"prompt": "...", "completion": "..."}')
    return value
