"""How long work shows its progress: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

Advance = Callable[[float], None]
"""Says how much more is done."""

LINE = 20.0
"""Seconds between two lines where no bar can be drawn."""


@contextmanager
def progress(label: str, total: float) -> Iterator[Advance]:
    """Show on stderr what is done of a total, and how long the rest will take.

    Args:
        label: what is done.
        total: how much there is.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bars:
            bar = bars.add_task(label, total=total)
            yield lambda more: bars.advance(bar, more)
        return
    start = last = time.monotonic()
    count = 0.0

    def advance(more: float) -> None:
        nonlocal count, last
        count += more
        if (now := time.monotonic()) - last >= LINE:
            left = timedelta(seconds=round((now - start) * max(total - count, 0) / count))
            print(f"{label}: {count / total:.0%}, {left} left", file=sys.stderr, flush=True)
            last = now

    yield advance
