"""The conformance kit: the checks that every plugin passes, whoever wrote it.

In a plugin's tests:

    from scionwood_kit import parametrize_with_checks

    @parametrize_with_checks(plugin)
    def test_conformance(check):
        check(plugin)

On the command line: `scionwood check NAME`.

The public names are listed in `__init__.pyi`. A name is imported when it is first used, so that
the fresh processes of the kit import no more than they need.
"""

from __future__ import annotations

from scionwood.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
