"""How long work shows its progress: a bar on stderr with the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[float], None]
"""Says how much more is done."""


@contextmanager
def progress(label: str, total: float) -> Iterator[Advance]:
    """Show on stderr what is done of a total, and how long the rest will take."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda more: bar.advance(task, more)
