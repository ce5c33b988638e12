"""Simulate a design, and collect the result as a record."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from scionwood_crash.solver.explicit import Options, SimulationError
from scionwood_crash.solver.run import HOURGLASS, Result, solve
from scionwood_crash.suite.families import Design, design
from scionwood_crash.suite.record import Simulation

FRAMES = 21


def simulate(family: str, seed: int, index: int) -> Simulation:
    """Simulate one design of a family; the same arguments give the same bits.

    Raises:
        RecipeError: the family is unknown.
        SimulationError: the simulation diverged, or its hourglass energy exceeds 10 % of the
            internal energy.
    """
    chosen = design(family, seed, index)
    result = solve(
        chosen.shell,
        chosen.impactor,
        duration=chosen.duration,
        n_frames=FRAMES,
        options=Options(friction=chosen.impactor.friction),
    )
    if (share := result.hourglass_share()) > HOURGLASS:
        rule = (
            f"its hourglass energy is {share:.0%} of the internal energy, more than {HOURGLASS:.0%}"
        )
        raise SimulationError(f"{family} {index} of seed {seed}", rule, "Take another design")
    return record(family, seed, index, chosen, result)


def record(family: str, seed: int, index: int, chosen: Design, result: Result) -> Simulation:
    """Return the record of a simulation; fields of nodes and elements in single precision."""
    shell = chosen.shell
    return Simulation(
        family=family,
        seed=seed,
        index=index,
        nodes=shell.nodes.astype(np.float32),
        quads=shell.quads.astype(np.int32),
        part=shell.part.astype(np.int32),
        thickness=shell.thickness.astype(np.float32),
        materials=shell.table,
        clamped=shell.clamped,
        times=result.times,
        displacement=result.displacement.astype(np.float32),
        plastic_strain=result.plastic_strain.astype(np.float32),
        history_times=result.history_times,
        force=result.force,
        travel=result.travel,
        speed=result.speed,
        energy=result.energy,
        impactor=asdict(chosen.impactor),
        parameters=chosen.parameters,
        ties=shell.ties,
    )
