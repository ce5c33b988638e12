"""Simulate crashes of random parts, for training and for trials."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from scionwood_crash.parts.mesh import CrashSeries


def simulate(
    target: Path,
    *,
    family: str = "box",
    n: int = 4,
    seed: int = 0,
    format: Literal["vtu", "d3plot", "record"] = "vtu",
    jobs: int = 2,
    force: bool = False,
) -> None:
    """Simulate crashes of random thin-walled parts with the reduced explicit shell solver.

    One simulation takes a few seconds on one core. Existing files are skipped, so an interrupted
    run can be resumed. A design depends only on the seed, the family and its number.

    Args:
        target: the folder to write to.
        family: hat, bumper, tube or box.
        n: number of designs.
        seed: seed of the designs.
        format: `vtu` writes a PVD file with one VTU file per state, `d3plot` the format of LS-DYNA,
            and `record` all results of the solver as safetensors.
        jobs: number of parallel processes.
        force: repeat simulations whose file exists.

    Raises:
        RecipeError: the family is unknown, or `n` or `jobs` is less than 1.
        WriteError: a file cannot be written.

    Example:
        >>> simulate("designs", family="tube", n=1)
        designs: 1 simulated, 0 skipped, 0 failed
    """
    from scionwood import RecipeError
    from scionwood_crash.suite.families import FAMILIES
    from scionwood_crash.suite.generate import generate

    if family not in FAMILIES:
        rule = "the suite has no family of this name"
        raise RecipeError(f"family {family!r}", rule, f"Choose one of: {', '.join(FAMILIES)}")
    if n < 1 or jobs < 1:
        rule = "both must be at least 1"
        raise RecipeError(f"{n} designs, {jobs} processes", rule, "Correct --n or --jobs")
    counts = generate(Path(target), family, n, seed, format, jobs=jobs, overwrite=force)
    print(f"{target}: {counts.made} simulated, {counts.skipped} skipped, {counts.failed} failed")


def simulate_series(family: str, *, seed: int = 0, index: int = 0) -> CrashSeries:
    """Simulate one random design of the suite with the reduced explicit shell solver.

    The same arguments give the same bits. One simulation takes a few seconds.

    Args:
        family: `hat`, `bumper`, `tube` or `box`.
        seed: seed of the designs.
        index: number of the design within the family.

    Returns:
        21 states in mm, ms and kg, with the plastic strain of the shells.

    Raises:
        RecipeError: the family is unknown.
        SimulationError: the simulation diverged.

    Example:
        >>> series = simulate_series("tube", seed=2)
        >>> len(series), str(series.mesh.units)
        (21, 'mm, ms, kg')
    """
    from scionwood_crash.parts.series import to_series
    from scionwood_crash.suite.record import to_part
    from scionwood_crash.suite.simulate import simulate

    return to_series(to_part(simulate(family, seed, index)))
