"""The tests of the measures and reports look at their figures."""

from __future__ import annotations

import pytest


@pytest.fixture
def _undrawn() -> None:
    """Figures are drawn."""
