"""The card's example runs as it stands, and its tables are those of the measurements."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
CARD = ROOT / "plugins/seismic/README.md"


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_array_is_denoised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", CARD.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["clean"].shape == (96, 250)
    assert not np.array_equal(names["clean"], names["window"])


def test_tables_are_those_of_the_benchmarks(tables: ModuleType) -> None:
    for page in tables.PAGES:
        text = page.read_text(encoding="utf-8")
        assert tables.fill(text) == text, f"run python benchmarks/tables.py for {page.name}"


def test_every_table_is_shown(tables: ModuleType) -> None:
    shown = {name for page in tables.PAGES for _, name, _ in tables.MARK.findall(page.read_text())}
    assert shown == set(tables.TABLES)
