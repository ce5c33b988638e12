"""The Python example of the card runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

CARD = Path(__file__).parents[2] / "plugins" / "crash" / "README.md"


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(.*?)```", CARD.read_text(encoding="utf-8"), re.DOTALL):
        exec(code, names)
    assert names["errors"]["med"] == pytest.approx(0, abs=1e-6)
