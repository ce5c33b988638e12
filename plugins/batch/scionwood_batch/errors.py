"""The error of a map that cannot start."""

from __future__ import annotations

from scionwood.errors import ScionwoodError


class BatchError(ScionwoodError, ValueError):
    """A command cannot be mapped, two jobs would write one file, or the engine is not there.

    Example:
        >>> from scionwood_batch import jobs_over
        >>> jobs_over("seed", range(2), "designs/one.zarr")
        Traceback (most recent call last):
        ...
        scionwood_batch.errors.BatchError: target 'designs/one.zarr': without a field all ...
    """
