"""Every installed plugin passes the kit. A new plugin needs no test of its own here."""

from __future__ import annotations

import pytest

from scionwood import discovery
from scionwood.testing import CHECKS, NothingToCheck
from scionwood.testing.rules import Check


@pytest.mark.parametrize("check", CHECKS, ids=[check.__name__ for check in CHECKS])
@pytest.mark.parametrize("name", list(discovery.entries()))
def test_plugin(name: str, check: Check) -> None:
    try:
        check(discovery.record(name))
    except NothingToCheck as nothing:
        pytest.skip(f"nothing to check: {nothing}")
