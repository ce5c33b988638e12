"""The card's example runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CARD = ROOT / "plugins" / "crash" / "README.md"


def test_the_example_runs() -> None:
    names: dict = {}
    blocks = re.findall(r"```python\n(.*?)```", CARD.read_text(encoding="utf-8"), re.DOTALL)
    for code in blocks:
        exec(code, names)
    assert names["displacement"].shape == (54, 21, 3)
