"""How long work shows its progress: a line that is rewritten on a terminal, else now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

Advance = Callable[[float], None]
"""Says how much more is done."""

LINE = 20.0
"""Seconds between two lines in a file."""


@contextmanager
def progress(label: str, total: float) -> Iterator[Advance]:
    """Show on stderr what is done of a total, and how long the rest will take.

    Args:
        label: what is done.
        total: how much there is.
    """
    end = "\r" if sys.stderr.isatty() else "\n"
    wait = 1.0 if sys.stderr.isatty() else LINE
    start = last = time.monotonic()
    count = 0.0

    def advance(more: float) -> None:
        nonlocal count, last
        count += more
        if (now := time.monotonic()) - last >= wait:
            left = timedelta(seconds=round((now - start) * max(total - count, 0) / count))
            print(
                f"{label}: {count / total:.0%}, {left} left", end=end, file=sys.stderr, flush=True
            )
            last = now

    yield advance
