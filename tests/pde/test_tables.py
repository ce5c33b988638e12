"""The tables of the card are those of the measurements."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "pde_tables.py"


def test_tables_are_those_of_the_benchmarks() -> None:
    spec = importlib.util.spec_from_file_location("pde_tables", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    text = tables.PAGE.read_text(encoding="utf-8")
    assert tables.MARK.findall(text)
    assert tables.fill(text) == text, "run python benchmarks/pde_tables.py"
