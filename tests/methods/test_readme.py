"""The examples of the card run, and the table of layers on the results page is up to date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from method_layers import available
from support_table import MARK, PAGE, fill

from scionwood_methods import plugin

CARD = Path(__file__).parents[2] / "plugins" / "methods" / "README.md"


def test_table_of_layers_is_up_to_date():
    if not available("PyG Linear"):
        pytest.skip("torch_geometric is not installed")
    text = PAGE.read_text(encoding="utf-8")
    assert MARK.search(text)
    assert fill(text) == text, "run python tests/methods/support/support_table.py"
    assert "broken" not in text


def test_every_method_is_named():
    text = CARD.read_text(encoding="utf-8")
    for name in plugin.adapters:
        assert f"`methods/{name}`" in text


def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in re.findall(r"```python\n(.*?)```", CARD.read_text(), re.DOTALL):
        exec(code, names)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
