"""Simulate many designs in processes, and write each when it is done."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from scionwood_crash.parts.series import to_series
from scionwood_crash.readers import write_series
from scionwood_crash.solver.explicit import SimulationError
from scionwood_crash.suite.record import SUFFIX, Simulation, to_part
from scionwood_crash.suite.simulate import simulate

Format = Literal["vtu", "d3plot", "record"]
SUFFIXES: dict[Format, str] = {"vtu": ".pvd", "d3plot": ".d3plot", "record": SUFFIX}


@final
@dataclass
class Counts:
    """How many designs were simulated, were there already, and went out of bounds."""

    made: int = 0
    skipped: int = 0
    failed: int = 0


def target(out: Path, family: str, seed: int, index: int, format: Format) -> Path:
    """The file of one design."""
    return out / f"{family}-{seed}-{index:04d}{SUFFIXES[format]}"


def generate(
    out: Path,
    family: str,
    n: int,
    seed: int,
    format: Format,
    *,
    workers: int = 2,
    overwrite: bool = False,
) -> Counts:
    """Simulate the first `n` designs of a family that are not in `out`.

    Args:
        out: folder to write to.
        family: of the suite.
        n: designs.
        seed: of the designs.
        format: of the files.
        workers: processes.
        overwrite: simulate what is there too.

    Returns:
        What was done. A simulation that went out of bounds is left out, and its reason printed.

    Raises:
        WriteError: the disk is full.
    """
    name = partial(target, out, family, seed, format=format)
    wanted = [index for index in range(n) if overwrite or not name(index).exists()]
    counts = Counts(skipped=n - len(wanted))
    columns = (TextColumn(f"{family}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not wanted) as bar:
        shown = bar.track(_simulated(family, seed, wanted, workers), total=len(wanted))
        for index, found in shown:
            if isinstance(found, SimulationError):
                console.print(f"{name(index).name}: {found}", highlight=False)
                counts.failed += 1
                continue
            _write(name(index), found, format, overwrite)
            counts.made += 1
    return counts


def _simulated(
    family: str, seed: int, wanted: list[int], workers: int
) -> Iterator[tuple[int, Simulation | SimulationError]]:
    """Each simulation when it is done, or what went wrong in it."""
    if not wanted:
        return
    with ProcessPoolExecutor(min(workers, len(wanted)), get_context("spawn")) as pool:
        jobs = {pool.submit(simulate, family, seed, index): index for index in wanted}
        try:
            for job in as_completed(jobs):
                fault = job.exception()
                if isinstance(fault, SimulationError):
                    yield jobs.pop(job), fault
                    continue
                yield jobs.pop(job), job.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _write(path: Path, found: Simulation, format: Format, overwrite: bool) -> None:
    if format == "record":
        found.save(path, overwrite=overwrite)
        return
    write_series(path, to_series(to_part(found)), overwrite=overwrite)
