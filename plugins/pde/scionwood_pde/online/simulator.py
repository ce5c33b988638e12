"""Simulations by their number: the same number is the same simulation, wherever it is run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from scionwood_pde.solvers import simulate
from scionwood_pde.solvers.registry import equation_class

BRANCHES = ("train", "val", "test", "pretrain")
"""Each draws from its own branch of the seed, so that no simulation is in two of them."""


@final
@dataclass(frozen=True)
class Frames:
    """What one simulation gave.

    Args:
        index: the simulation's number.
        fields: (frame, channel, x, y, z) float32, in the units of the equation.
        valid: a bool without axes; False where a value was NaN, infinite or out of bounds. A
            tensor, so that a GPU need not be waited for.
    """

    index: int
    fields: Tensor
    valid: Tensor


@final
@dataclass(frozen=True)
class Simulator:
    """Simulates by number; equations take turns, parameters and initial states are drawn.

    Args:
        equations: names of `EQUATIONS` that are defined in three dimensions.
        n_points: points an axis.
        n_frames: frames of a simulation; the initial state is none of them.
        interval: the time between frames over the equation's own `INTERVAL`.
        substeps: time steps a frame.
        seed: of everything.
        branch: of `BRANCHES`.
        rank: of the process among those that train together; each draws its own simulations.
        device: where the solver runs; random numbers are drawn on the CPU.

    Raises:
        ValueError: an unknown equation or one of fewer dimensions, a branch that does not exist.
    """

    equations: tuple[str, ...]
    n_points: int
    n_frames: int = 4
    interval: float = 1.0
    substeps: int = 1
    seed: int = 0
    branch: str = "train"
    rank: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not self.equations:
            raise ValueError("equations=(): there is nothing to simulate. Name one at least")
        for name in self.equations:
            equation_class(name)().check(3, 1)
        if self.branch not in BRANCHES:
            raise ValueError(f"branch={self.branch!r}: choose one of {', '.join(BRANCHES)}")

    def __call__(self, index: int) -> Frames:
        """Run the simulation of a number."""
        name = self.equations[index % len(self.equations)]
        run = simulate(
            name,
            self.n_points,
            3,
            self.n_frames,
            self.interval * equation_class(name).INTERVAL,
            1,
            self.generator(index, 0),
            self.substeps,
            device=self.device,
        )
        return Frames(index, run.fields[0, 1:], run.valid.all())

    def generator(self, index: int, purpose: int) -> torch.Generator:
        """The random numbers of a simulation: purpose 0 for its states, 1 for its crops.

        Purpose 2 of number 0 is for the draws from the cache.
        """
        key = (BRANCHES.index(self.branch), self.rank, index, purpose)
        word = np.random.SeedSequence(self.seed, spawn_key=key).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(word >> np.uint64(1)))
