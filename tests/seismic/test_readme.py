"""The card's example runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scionwood_seismic.readers.segy import SegyReader

CARD = Path(__file__).parents[2] / "plugins/seismic/README.md"


def test_an_array_becomes_segy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", CARD.read_text(), re.DOTALL)
    exec(code, {})
    with SegyReader(tmp_path / "window.sgy") as reader:
        assert (reader.layout.traces, reader.layout.samples) == (960, 500)
