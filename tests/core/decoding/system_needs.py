"""What the system must have for the tests of the reader service."""

from __future__ import annotations

import sys

import pytest

from scionwood_sandbox import enforced

NEEDS_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the reader service needs Linux")
NEEDS_WALLS = pytest.mark.skipif(
    not all(whether for whether, _ in enforced()), reason="this kernel has no Landlock or seccomp"
)
