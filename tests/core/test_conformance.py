"""Every installed plugin passes the kit. A new plugin needs no test of its own here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scionwood.plugins import discovery
from scionwood_kit import CHECKS, NothingToCheck
from scionwood_kit.rules import Check

SLOW = {
    ("seismic", "check_recipes_run"),
    ("crash", "check_exports"),
    ("biomed", "check_exports"),
    ("pde", "check_exports"),
    ("bangla", "check_exports"),
    ("bangla", "check_adapter_survives_a_fresh_process"),
    ("pde", "check_exports"),
    ("seismic", "check_exports"),
    ("language", "check_exports"),
    ("language", "check_adapter_survives_a_fresh_process"),
    ("language", "check_recipes_run"),
    ("bangla", "check_probes"),
}
"""Checks that take long, most of them because they export every backbone."""


def checks() -> Iterator[object]:
    """Yield every check of every plugin."""
    for name in discovery.entries():
        for check in CHECKS:
            marks = [pytest.mark.slow] if (name, check.__name__) in SLOW else []
            yield pytest.param(name, check, id=f"{name}-{check.__name__}", marks=marks)


@pytest.mark.parametrize(("name", "check"), list(checks()))
def test_plugin(name: str, check: Check) -> None:
    try:
        check(discovery.record(name))
    except NothingToCheck as nothing:
        pytest.skip(f"nothing to check: {nothing}")
