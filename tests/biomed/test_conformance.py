"""The plugin keeps every promise that the kit checks."""

from __future__ import annotations

from scionwood.testing import parametrize_with_checks
from scionwood_biomed import plugin


@parametrize_with_checks(plugin)
def test_conformance(check):
    check(plugin)
