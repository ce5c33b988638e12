"""Databases of ase (SQLite): atoms with their labels, one structure a row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from scionwood import ReadError
from scionwood.authoring import reading
from scionwood_atoms.readers.structure import Structure, checked, refuse, tensor

KIND = "database of ase"
COLUMNS = "numbers, positions, cell, pbc, energy, free_energy, forces, stress, charge, calculator"
"""What is read of a row. Its constraints and `data` name classes of ase to build: they stay."""


def read_asedb(path: Path, *, energy: str = "energy") -> Iterator[Structure]:
    """Yield the rows of a database of ase, in the order of their numbers.

    The file is opened as it is, never written and not locked. Nothing in it is evaluated: arrays
    are bytes of known types, and keys are JSON. Columns `data` and `constraints` are not read.
    `energy` is the column `energy` or `free_energy`, or a key of the rows.

    Source: the format of ase 3.29, ase/db/sqlite.py, of version 5 to 9; its units are those here.
    """
    for end in ("-wal", "-journal"):
        unfinished = Path(f"{path}{end}")
        if unfinished.is_file() and unfinished.stat().st_size:
            rule = f"a writer left {unfinished.name} beside it, with rows that are not in it yet"
            remedy = f"Finish the writer, or let sqlite3 do it: sqlite3 {path.name} .tables"
            raise ReadError(str(path), rule, remedy)
    with reading(path, KIND):
        place = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(place, uri=True)) as base:
            _check_tables(path, base)
            rows = base.execute(f"SELECT key_value_pairs, {COLUMNS} FROM systems ORDER BY id")
            count = 0
            for count, row in enumerate(rows, start=1):
                yield checked(path, KIND, count - 1, _structure(path, count - 1, row, energy))
        if not count:
            raise ReadError(str(path), f"{KIND}: it has no rows", "Name another file")


def _check_tables(path: Path, base: sqlite3.Connection) -> None:
    """Refuse other databases, and a view or a virtual table, which can compute."""
    base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 64 << 20)  # bytes of a value
    base.execute("PRAGMA trusted_schema=OFF")
    base.execute("PRAGMA cell_size_check=ON")
    tables = dict(base.execute("SELECT name, type || ' ' || coalesce(sql, '') FROM sqlite_master"))
    plain = all(
        tables.get(name, "").upper().startswith("TABLE CREATE TABLE")
        and "GENERATED" not in tables[name].upper()
        for name in ("systems", "information")
    )
    if not plain:
        rule = f"not a {KIND}: it has no plain tables systems and information"
        raise ReadError(str(path), rule, "Write it with ase.db.connect")
    (version,) = base.execute("SELECT value FROM information WHERE name='version'").fetchone()
    if not 5 <= int(version) <= 9:
        rule = f"{KIND}: its version is {int(version)}, and 5 to 9 are known"
        raise ReadError(str(path), rule, "Convert it with python -m ase.db.convert")


def _structure(path: Path, index: int, row: tuple[Any, ...], energy: str) -> Structure:
    from ase.data import chemical_symbols

    pairs = {str(key): value for key, value in json.loads(row[0]).items()}
    numbers, places, cell, pbc, total, free, forces, stress, charge, calculator = row[1:]
    elements = np.frombuffer(numbers, "<i4")
    unknown = elements[(elements < 1) | (elements >= len(chemical_symbols))]
    if unknown.size:
        refuse(path, KIND, index, f"there is no element {unknown[0]}", "Correct its numbers")
    values = {**pairs, "energy": total, "free_energy": free}
    if energy not in values:
        rule = f"it has no energy {energy!r}, but {', '.join(values)}"
        refuse(path, KIND, index, rule, "Give one of these as energy")
    label = values[energy]
    if isinstance(label, bool) or not isinstance(label, int | float | None):
        refuse(path, KIND, index, f"its {energy} is {label!r}, and no number", "Correct it")
    six = None if stress is None else np.frombuffer(stress, "<f8")
    columns = {"free_energy": free, "charge": charge or None, "calculator": calculator}
    notes = {key: str(value) for key, value in {**columns, **pairs}.items() if value is not None}
    return Structure(
        np.array([chemical_symbols[number] for number in elements], dtype=str),
        np.frombuffer(places, "<f8").reshape(-1, 3).copy(),
        np.frombuffer(cell, "<f8").reshape(3, 3).copy(),
        (int(pbc) & np.array([1, 2, 4])).astype(bool),
        None if label is None else float(label),
        None if forces is None else np.frombuffer(forces, "<f8").reshape(-1, 3).copy(),
        tensor(path, KIND, index, six),
        notes,
    )
