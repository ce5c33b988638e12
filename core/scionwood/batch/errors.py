"""The error of a map that cannot start."""

from __future__ import annotations

from scionwood.errors import ScionwoodError


class BatchError(ScionwoodError, ValueError):
    """A command cannot be mapped, two jobs would write one file, or the engine is not there."""
