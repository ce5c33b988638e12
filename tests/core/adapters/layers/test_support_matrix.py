"""The table of docs/layers.md shows what the code does."""

from __future__ import annotations

import pytest
from layer_cases import CASES
from support_matrix import rows, written


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_the_table_of_the_page_is_what_the_layers_do(every: int) -> None:
    page, now = written(), rows(list(CASES)[::every])
    assert {name: page.get(name) for name in now} == now
    assert list(page) == list(CASES)
