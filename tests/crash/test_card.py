"""The card's example runs as it stands, and its tables are those of the benchmarks."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CARD = ROOT / "plugins" / "crash" / "README.md"
BENCHMARKS = ROOT / "benchmarks"


def test_the_example_runs() -> None:
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", CARD.read_text(encoding="utf-8"), re.DOTALL)
    for code in blocks:
        exec(code, names)
    assert names["displacement"].shape == (54, 21, 3)


def test_the_tables_are_those_of_the_benchmarks() -> None:
    spec = importlib.util.spec_from_file_location("crash_tables", BENCHMARKS / "crash_tables.py")
    assert spec is not None
    assert spec.loader is not None
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    text = CARD.read_text(encoding="utf-8")
    assert len(tables.MARK.findall(text)) == 3
    assert tables.fill(text) == text, "run python benchmarks/crash_tables.py"
