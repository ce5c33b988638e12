"""Print what a fuzz of a plugin finds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from scionwood.errors import RecipeError
from scionwood.files.terminal import print_status, print_table
from scionwood.plugins import discovery

_INTERVAL = 5.0  # seconds between two lines of progress


def fuzz_plugin(
    plugin: str,
    files: Sequence[Path] = (),
    *,
    n: int = 2000,
    seed: int = 0,
    corpus: Path = Path("fuzz"),
    csv: Path | None = None,
) -> int:
    """Damage the samples of a plugin, print the counts, and return the exit code.

    Args:
        plugin: its name.
        files: further files to damage.
        n: mutations of each sample.
        seed: the seed of the mutations.
        corpus: the folder for new faults.
        csv: a file for the counts.
    """
    from scionwood_kit.fuzzing.campaign import fuzz
    from scionwood_kit.fuzzing.tally import COLUMNS, write_tallies

    if n < 1:
        raise RecipeError(f"--n {n}", "at least one mutation is needed", "Give a larger number")
    tallies, missing = fuzz(
        discovery.record(plugin), files, n=n, seed=seed, corpus=corpus, report=_progress()
    )
    print_table(COLUMNS, [tally.row() for tally in tallies], numeric=COLUMNS[1:])
    for line in missing:
        print_status(None, line)
    for tally in tallies:
        if tally.problem:
            print_status(False, f"{tally.sample}: {tally.problem}")
        for case, detail in tally.cases:
            print_status(False, f"{tally.sample}: {detail}\n    {case}")
    if csv is not None:
        write_tallies(tallies, csv)
    return int(any(tally.failed for tally in tallies))


def _progress() -> Callable[[int, int], None]:
    """Return a function that prints a line on stderr every few seconds: done, all, time left."""
    start = last = 0.0

    def report(cases: int, total: int) -> None:
        nonlocal start, last
        now = time.monotonic()
        start = start or now
        if now - last >= _INTERVAL and cases > 1:
            last = now
            left = timedelta(seconds=round((now - start) / cases * (total - cases)))
            print(f"{cases} of {total} mutations, {left} left", file=sys.stderr, flush=True)

    return report
