"""From a design to a record."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from scionwood_crash.solver.explicit import Options
from scionwood_crash.solver.run import Result, solve
from scionwood_crash.suite.families import Design, design
from scionwood_crash.suite.record import Simulation

FRAMES = 21


def simulate(family: str, seed: int, index: int) -> Simulation:
    """Simulate one member of a family; the same numbers give the same bits.

    Raises:
        RecipeError: no such family.
        SimulationError: the simulation went out of bounds.
    """
    made = design(family, seed, index)
    options = Options(friction=made.impactor.friction)
    result = solve(
        made.shell, made.impactor, duration=made.duration, n_frames=FRAMES, options=options
    )
    return record(family, seed, index, made, result)


def record(family: str, seed: int, index: int, made: Design, result: Result) -> Simulation:
    """The arrays that a file keeps; fields of nodes and elements in single precision."""
    shell = made.shell
    return Simulation(
        family=family,
        seed=seed,
        index=index,
        nodes=shell.nodes.astype(np.float32),
        quads=shell.quads.astype(np.int32),
        part=shell.part.astype(np.int32),
        thickness=shell.thickness.astype(np.float32),
        materials=shell.table,
        held=shell.held,
        times=result.times,
        displacement=result.displacement.astype(np.float32),
        plastic_strain=result.plastic_strain.astype(np.float32),
        history_times=result.history_times,
        force=result.force,
        travel=result.travel,
        speed=result.speed,
        energy=result.energy,
        impactor=asdict(made.impactor),
        parameters=made.parameters,
    )
