"""The walls around a child: which there are, which this system has, and their building."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from scionwood_sandbox.decoding import landlock, namespaces, seccomp

WALLS = {
    "landlock": "other files can be read",
    "seccomp": "the network, programs and other processes can be reached",
}
"""Each wall, and what it means that a system has none. Namespaces are a second one behind them."""

WITHOUT = "SANDBOX_TEST_WITHOUT"
"""For tests: the walls to leave out, with commas between. It weakens the child, and is reported."""


def left_out() -> set[str]:
    """Return the walls that the environment leaves out for a test."""
    return set(os.environ.get(WITHOUT, "").split(","))


def restrict(job: dict[str, Any], libraries: Iterable[str]) -> list[str]:
    """Deny this process all but decoding, for good."""
    built = []
    namespaces.drop_privileges()
    if landlock.version() and "landlock" not in left_out():
        landlock.restrict_files([*libraries, *job["read"]], job["write"])
        built.append("landlock")
    if seccomp.available() and "seccomp" not in left_out():
        seccomp.restrict_calls(writing=bool(job["write"]))
        built.append("seccomp")
    return built
