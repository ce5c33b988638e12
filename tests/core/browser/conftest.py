"""One browser for all tests of this folder; they are skipped where there is none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from chromium import ABSENT, Tab, find_browser, started


@pytest.fixture(scope="session")
def tab() -> Iterator[Tab]:
    """A tab of a real Chromium."""
    browser = find_browser()
    if browser is None:
        pytest.skip(ABSENT)
    with started(browser) as tab:
        yield tab
