"""A real browser for the pages of the fields."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "core" / "browser"))

PATIENCE = 120
"""Seconds to wait for a page."""


@contextmanager
def opened_tab() -> Iterator[Any]:
    """Give a tab of a headless Chromium, or skip the test where there is none."""
    from chromium import ABSENT, find_browser, started

    browser = find_browser()
    if browser is None:
        pytest.skip(ABSENT)
    with started(browser) as tab:
        yield tab


def until(tab: Any, expression: str) -> None:
    """Wait until an expression in JavaScript is true in the page."""
    end = time.monotonic() + PATIENCE
    while not tab.value(expression):
        assert time.monotonic() < end, (expression, tab.value("document.body.innerText"))
        time.sleep(0.05)
