"""One browser for all tests of this folder; they are skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browsing import opened_tab


@pytest.fixture(scope="session")
def tab() -> Iterator[Any]:
    """A tab of a real Chromium."""
    with opened_tab() as opened:
        yield opened
