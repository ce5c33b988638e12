"""The command `scionwood crash simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Format = Literal["vtu", "d3plot", "record"]


def simulate(
    *,
    out: Path,
    family: str = "box",
    n: int = 4,
    seed: int = 0,
    format: Format = "vtu",
    workers: int = 2,
    force: bool = False,
) -> None:
    """Simulate crashes of random thin-walled parts with the reduced explicit-shell solver.

    Each takes a few seconds on one core. Files that are there are skipped, so that a run which was
    stopped goes on where it was; a design depends on seed, family and its number alone.

    Args:
        out: the folder to write to.
        family: hat, bumper, tube or box.
        n: how many designs.
        seed: of the designs.
        format: `vtu` is a PVD file with a VTU file for each state, `d3plot` LS-DYNA's, and
            `record` all that the solver gives, as safetensors.
        workers: processes.
        force: simulate again what is there.

    Raises:
        RecipeError: no such family, or less than one design or worker.
        WriteError: the disk is full.
    """
    from scionwood import RecipeError
    from scionwood_crash.suite.families import FAMILIES
    from scionwood_crash.suite.generate import generate

    if family not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise RecipeError(f"family {family!r}", "there is none of this name", f"Choose: {known}")
    if n < 1 or workers < 1:
        rule = "a suite has one or more of each"
        raise RecipeError(f"{n} designs, {workers} workers", rule, "Correct --n or --workers")
    counts = generate(Path(out), family, n, seed, format, workers=workers, overwrite=force)
    print(f"{out}: {counts.made} simulated, {counts.skipped} were there, {counts.failed} failed")
