"""The table of docs/layers.md shows what the code does."""

from __future__ import annotations

import pytest
from layer_cases import CASES
from support_matrix import rows, written


@pytest.mark.filterwarnings("ignore")
def test_the_table_of_the_page_is_what_the_layers_do() -> None:
    page, now = written(), rows()
    assert {name: page.get(name) for name in now} == now
    assert list(page) == list(CASES)
