"""Simulate many designs in parallel processes, and write each file when its simulation is done."""

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
    """Numbers of designs that were simulated, skipped because their file exists, and failed."""

    made: int = 0
    skipped: int = 0
    failed: int = 0


def path_of(folder: Path, family: str, seed: int, index: int, format: Format) -> Path:
    """Return the file of one design."""
    return folder / f"{family}-{seed}-{index:04d}{SUFFIXES[format]}"


def generate(
    folder: Path,
    family: str,
    n: int,
    seed: int,
    format: Format,
    *,
    jobs: int = 2,
    overwrite: bool = False,
) -> Counts:
    """Simulate the first `n` designs of a family whose files do not exist yet.

    Args:
        folder: the target folder.
        family: name of the family.
        n: number of designs.
        seed: seed of the designs.
        format: format of the files.
        jobs: number of parallel processes.
        overwrite: simulate designs whose file exists, too.

    Returns:
        The counts. A simulation that diverged is left out, and its reason is printed on stderr.

    Raises:
        WriteError: a file cannot be written.
    """
    path = partial(path_of, folder, family, seed, format=format)
    missing = [index for index in range(n) if overwrite or not path(index).exists()]
    counts = Counts(skipped=n - len(missing))
    columns = (TextColumn(f"{family}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not missing) as bar:
        results = _simulated(family, seed, missing, jobs)
        for index, result in bar.track(results, total=len(missing)):
            if isinstance(result, SimulationError):
                console.print(f"{path(index).name}: {result}", highlight=False)
                counts.failed += 1
                continue
            _write(path(index), result, format, overwrite)
            counts.made += 1
    return counts


def _simulated(
    family: str, seed: int, indices: list[int], jobs: int
) -> Iterator[tuple[int, Simulation | SimulationError]]:
    """Yield each simulation when it is done, or the error that stopped it."""
    if min(jobs, len(indices)) <= 1:  # another process would first have to import the solver
        for index in indices:
            try:
                yield index, simulate(family, seed, index)
            except SimulationError as error:
                yield index, error
        return
    with ProcessPoolExecutor(min(jobs, len(indices)), get_context("spawn")) as pool:
        futures = {pool.submit(simulate, family, seed, index): index for index in indices}
        try:
            for future in as_completed(futures):
                fault = future.exception()
                if isinstance(fault, SimulationError):
                    yield futures.pop(future), fault
                    continue
                yield futures.pop(future), future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _write(path: Path, simulation: Simulation, format: Format, overwrite: bool) -> None:
    if format == "record":
        simulation.save(path, overwrite=overwrite)
    else:
        write_series(path, to_series(to_part(simulation)), overwrite=overwrite)
