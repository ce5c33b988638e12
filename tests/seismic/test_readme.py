"""The card's example runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
CARD = ROOT / "plugins/seismic/README.md"


def test_the_example_of_the_card_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", CARD.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["clean"].shape == (96, 250)
    assert not np.array_equal(names["clean"], names["window"])
