"""Rows of JSON lines, JSON, CSV, TSV and Parquet, each with its number for errors."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scionwood import PluginError, ReadError

Row = dict[str, Any]
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
CELL = 100_000
"""Characters of a cell above which a quote is missing, or a whole file stands in one."""


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Each row of a file as a mapping, with `FILE, row N`, counted from 1 without the header.

    Args:
        path: its suffix says what it is.

    Raises:
        ReadError: no such file, not UTF-8, damaged, or of another kind; the row is named.
        PluginError: Parquet without pyarrow.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        rule = f"data are {', '.join(SUFFIXES)}"
        raise ReadError(str(path), rule, "Save the table as one of them")
    if suffix == ".parquet":
        return _parquet(path)
    text = _text(path)
    if suffix in (".csv", ".tsv"):
        return _table(path, text, "\t" if suffix == ".tsv" else ",")
    return _lines(path, text) if suffix == ".jsonl" else _list(path, text)


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        rule = error.strerror or str(error)
        raise ReadError(str(path), rule, "Check the name and the permissions") from error
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ReadError(str(path), "it is UTF-16", "Save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        rule = f"byte {error.start} is not UTF-8"
        remedy = "Save it as UTF-8; a file of the Bijoy keyboard needs a converter to Unicode first"
        raise ReadError(f"{path}, line {row}", rule, remedy) from error


def _lines(path: Path, text: str) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{path}, row {number}"
            yield where, _object(_parsed(line, where), where)


def _list(path: Path, text: str) -> Iterator[tuple[str, Row]]:
    found = _parsed(text, str(path))
    if isinstance(found, dict):  # such as {"data": [...]}
        lists = [value for value in found.values() if isinstance(value, list)]
        found = lists[0] if len(lists) == 1 else found
    if not isinstance(found, list):
        raise ReadError(str(path), "it holds no list of rows", "Write [{...}, {...}]")
    for number, row in enumerate(found, 1):
        where = f"{path}, row {number}"
        yield where, _object(row, where)


def _table(path: Path, text: str, mark: str) -> Iterator[tuple[str, Row]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, 1):
            where = f"{path}, row {number}"
            if row.pop(None, None) is not None:  # type: ignore[call-overload]  # csv's own key
                rule = "it has more cells than the header"
                raise ReadError(where, rule, "Quote cells that hold a comma")
            yield where, {name.strip(): value for name, value in row.items() if name}
    except csv.Error as error:
        where = f"{path}, row {number + 1}"
        rule = f"it cannot be read as a table ({error}); a cell has {CELL:,} characters at most"
        raise ReadError(where, rule, "Close every quote, and double those inside a cell") from error


def _parquet(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        remedy = "pip install 'scionwood-bangla[parquet]', or save the data as .jsonl"
        raise PluginError(str(path), "Parquet needs pyarrow", remedy) from error
    number = 0
    try:
        with ParquetFile(path) as file:
            for batch in file.iter_batches(1024):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path}, row {number}", row
    except (ArrowException, OSError) as error:
        rule = f"it is no readable Parquet file ({error})"
        raise ReadError(str(path), rule, "Download it again") from error


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ReadError(where, f"it is no JSON ({error})", "One JSON object a row") from error


def _object(found: Any, where: str) -> Row:
    if not isinstance(found, dict):
        rule = f"a row is an object, not a {type(found).__name__}"
        raise ReadError(where, rule, 'Such as {"prompt": "...", "completion": "..."}')
    return found
