"""One sweep over the gathers of a file, with a progress bar and a journal of their reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, final

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from scionwood import Record
from scionwood_seismic.inference.neighbours import Neighbours
from scionwood_seismic.inference.records import Denoiser, Journal
from scionwood_seismic.readers.base import SeismicReader
from scionwood_seismic.readers.partial import forget_debris, partial_path
from scionwood_seismic.readers.segy import SegyReader


class Work(Protocol):
    """What is done to each record of a sweep."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything that the result depends on besides the file; JSON values."""

    def __call__(self, record: Record) -> np.ndarray:
        """Return the new data of a record."""


@final
class Sweep:
    """Write a denoised copy of a file.

    Args:
        reader: the noisy file.
        denoiser: what denoises its records; its `progress`, `on_report`, `unit` and `beside` are
            set.
        console: where the progress is shown.
        title: what is done, a word or two.
    """

    def __init__(
        self, reader: SeismicReader, denoiser: Denoiser, console: Console, title: str = "denoising"
    ) -> None:
        self.reader, self.denoiser, self.console = reader, denoiser, console
        self.title = title

    def write(
        self, target: Path, work: Work | None = None, *, force: bool, resume: bool
    ) -> list[dict[str, Any]]:
        """Write the copy, and return the reports of its records.

        Args:
            target: the copy; it appears complete or not at all.
            work: what is done to each record, if it is more than to denoise it.
            force: replace an existing file.
            resume: continue a stopped run of the same work.
        """
        columns = (
            TextColumn(self.title),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} traces"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
        )
        journal = Journal(target, resume=resume)
        with Progress(*columns, console=self.console) as bar:
            self._connect(bar, journal)
            try:
                self.reader.rewrite(target, work or self.denoiser, overwrite=force, resume=resume)
            except BaseException as error:
                if not partial_path(target).exists():
                    journal.remove()
                elif isinstance(error, KeyboardInterrupt | SystemExit):
                    text = "stopped; the same command with --resume continues from here"
                    self.console.print(text)
                raise
        journal.remove()
        forget_debris(target)
        return journal.rows()

    def _connect(self, bar: Progress, journal: Journal) -> None:
        """Let the denoiser move the bar, fill the journal and know parts of long gathers."""
        reader, denoiser = self.reader, self.denoiser
        segy = reader if isinstance(reader, SegyReader) else None
        total = reader.traces if segy is None else segy.traces_read
        task = bar.add_task("", total=total)

        def advance(traces: float) -> None:
            if segy is not None and bar.tasks[task].completed == 0:
                bar.update(task, completed=segy.resumed)
            bar.advance(task, traces)

        denoiser.progress, denoiser.on_report = advance, journal.add
        denoiser.unit = (lambda record: None) if segy is None else segy.unit
        count = denoiser.options.neighbours
        denoiser.beside = Neighbours(segy, count) if segy and count else lambda record: None
