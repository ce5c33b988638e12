"""The plugin passes every check of the conformance kit."""

from __future__ import annotations

from scionwood.testing import parametrize_with_checks
from scionwood_methods import plugin


@parametrize_with_checks(plugin)
def test_conformance(check):
    check(plugin)
