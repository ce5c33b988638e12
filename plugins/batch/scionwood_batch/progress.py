"""How a map shows its progress: a bar on a terminal, and lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self, final

from scionwood_batch.manifest import Row

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

SECONDS_BETWEEN_LINES = 30.0
"""Seconds between two lines where stderr is no terminal."""


@final
class Progress:
    """Count rows, and show on stderr how many jobs are done and how long the rest will take.

    Args:
        total: the number of jobs.
        every: seconds between two lines where stderr is no terminal.

    Example:
        with Progress(200) as progress:
            for row in rows:
                progress.add(row)
    """

    def __init__(self, total: int, every: float = SECONDS_BETWEEN_LINES) -> None:
        self.total, self.counts = total, Counter[str]()
        self.start = time.monotonic()
        self._every, self._stop = every, threading.Event()
        self._bar = _bar(total) if sys.stderr.isatty() else None
        self._thread = threading.Thread(target=self._print_lines, daemon=True)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        else:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._bar:
            self._bar.stop()
        else:
            self._thread.join()

    def add(self, row: Row) -> None:
        """Count a row."""
        self.counts[row.status] += 1
        if self._bar:
            self._bar.update(self._bar.task_ids[0], advance=1, failed=self._failed())

    def line(self) -> str:
        """Return one line: jobs done, jobs failed, time spent, time left."""
        ended = self.counts.total()
        spent = time.monotonic() - self.start
        left = _minutes(spent / ended * (self.total - ended)) if ended else "?"
        failed = f"{self._failed()} failed, " if self._failed() else ""
        return f"{ended} of {self.total}, {failed}{_minutes(spent)}, {left} left"

    def _failed(self) -> int:
        return self.counts["failed"] + self.counts["died"]

    def _print_lines(self) -> None:
        while not self._stop.wait(self._every):
            print(self.line(), file=sys.stderr, flush=True)


def _minutes(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _bar(total: int) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed, left"),
        TimeRemainingColumn(),
    )
    bar = Bar(*columns, console=Console(stderr=True))
    bar.add_task("", total=total, failed=0)
    return bar
