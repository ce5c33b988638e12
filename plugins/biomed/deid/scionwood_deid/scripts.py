"""The commands of a shell: `scionwood-deid`, `scionwood-deid-check` and `scionwood-deid-review`."""

from __future__ import annotations

import sys

from scionwood_deid.verbs.check import deidentify_check
from scionwood_deid.verbs.command_line import run
from scionwood_deid.verbs.deidentify import deidentify
from scionwood_deid.verbs.review import review


def copy() -> int:
    """Run `scionwood-deid`."""
    return run(deidentify, "scionwood-deid", sys.argv[1:])


def check() -> int:
    """Run `scionwood-deid-check`."""
    return run(deidentify_check, "scionwood-deid-check", sys.argv[1:])


def look() -> int:
    """Run `scionwood-deid-review`."""
    return run(review, "scionwood-deid-review", sys.argv[1:])
