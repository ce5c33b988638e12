"""The conformance kit: the checks that every plugin passes, whoever wrote it.

In a plugin's tests:

    from scionwood.testing import parametrize_with_checks

    @parametrize_with_checks(plugin)
    def test_conformance(check):
        check(plugin)

On the command line: `scionwood check NAME`.
"""

from __future__ import annotations

from scionwood.testing.rules import CheckFailure, NothingToCheck
from scionwood.testing.runner import CHECKS, Outcome, parametrize_with_checks, run_checks

__all__ = [
    "CHECKS",
    "CheckFailure",
    "NothingToCheck",
    "Outcome",
    "parametrize_with_checks",
    "run_checks",
]
