"""Run a simulation to its end, and record frames and a finer history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from scionwood import RecipeError
from scionwood_crash.solver.explicit import ENERGIES, Explicit, Options
from scionwood_crash.solver.model import Impactor, Shell

SAMPLES = 10  # history samples per frame
HOURGLASS = 0.1
"""Largest share of hourglass energy in the internal energy of a result that is to be trusted."""


@final
@dataclass(frozen=True)
class Result:
    """The result for N nodes and E elements: T frames, and a history of H samples.

    Args:
        times: (T), ms.
        displacement: (T, N, 3), mm.
        plastic_strain: (T, E), the largest value through the thickness.
        history_times: (H), ms.
        force: (H), force on the impactor against its direction, kN; mean since the last sample.
        travel: (H), travel of the impactor, mm.
        speed: (H), speed of the impactor, m/s.
        energy: (H, 7), J, in the order of `ENERGIES`.
    """

    times: np.ndarray
    displacement: np.ndarray
    plastic_strain: np.ndarray
    history_times: np.ndarray
    force: np.ndarray
    travel: np.ndarray
    speed: np.ndarray
    energy: np.ndarray

    def imbalance(self) -> float:
        """Return the largest error of the energy balance, as a share of the largest energy."""
        signs = np.array([-1.0 if name == "external" else 1.0 for name in ENERGIES])
        balance = self.energy @ signs
        scale = np.abs(self.energy).sum(1).max()
        return float(np.abs(balance - balance[0]).max() / scale)

    def hourglass_share(self) -> float:
        """Return the final hourglass energy as a share of the internal energy."""
        return hourglass_share(self.energy)


def hourglass_share(energy: np.ndarray) -> float:
    """Return the final hourglass energy as a share of the internal energy.

    Args:
        energy: (H, 7), J, in the order of `ENERGIES`.
    """
    at_end = dict(zip(ENERGIES, energy[-1], strict=True))
    return float(at_end["hourglass"] / max(at_end["internal"], 1e-12))


def solve(
    shell: Shell,
    impactor: Impactor | None = None,
    *,
    duration: float,
    n_frames: int = 21,
    options: Options | None = None,
) -> Result:
    """Simulate the impact of a rigid body on a shell structure.

    Args:
        shell: the mesh.
        impactor: the rigid body; `None` for none.
        duration: ms.
        n_frames: number of states to record, including the first.
        options: options of the scheme.

    Returns:
        Frames at equal intervals, up to a time step, and the history.

    Raises:
        RecipeError: there are fewer than two frames, or the duration is not positive.
        SimulationError: the simulation diverged.
    """
    if n_frames < 2 or not duration > 0:
        raise RecipeError(
            f"{n_frames} frames in {duration} ms", "at least 2 in a time above zero", "Give more"
        )
    run = Explicit(shell, impactor, options)
    frames, history = [_frame(run)], [_sample(run, 0.0)]
    for k in range(1, SAMPLES * (n_frames - 1) + 1):
        impulse, since = 0.0, run.time
        while run.time < duration * k / (SAMPLES * (n_frames - 1)):
            run.step()
            # The impulse over the interval, because single steps of a penalty contact are noisy.
            impulse += run.dt * run.reaction
        history.append(_sample(run, impulse / max(run.time - since, run.dt)))
        if k % SAMPLES == 0:
            run.check()
            frames.append(_frame(run))
    times, displacement, plastic = (np.array(states) for states in zip(*frames, strict=True))
    rows = np.array(history)
    time, force, travel, speed = rows[:, :4].T
    return Result(times, displacement, plastic, time, force, travel, speed, rows[:, 4:])


def _frame(run: Explicit) -> tuple[float, np.ndarray, np.ndarray]:
    return run.time, run.x - run.shell.nodes, run.plastic.max(1)


def _sample(run: Explicit, force: float) -> list[float]:
    energies = [getattr(run.energy, name) for name in ENERGIES]
    return [run.time, force, run.travel, run.speed, *energies]
