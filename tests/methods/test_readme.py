"""The handbook names every method, and the table of layers on the results page is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest
from method_layers import available
from support_table import MARK, PAGE, fill

from scionwood_methods import plugin

ABOUT = Path(__file__).parents[2] / "docs" / "fields" / "methods" / "about.md"


def test_table_of_layers_is_up_to_date():
    if not available("PyG Linear"):
        pytest.skip("torch_geometric is not installed")
    text = PAGE.read_text(encoding="utf-8")
    assert MARK.search(text)
    assert fill(text) == text, "run python tests/methods/support/support_table.py"
    assert "broken" not in text


def test_every_method_is_named():
    text = ABOUT.read_text(encoding="utf-8")
    for name in plugin.adapters:
        assert f"`methods/{name}`" in text
