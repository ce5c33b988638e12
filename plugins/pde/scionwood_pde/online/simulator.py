"""Numbered simulations: a number gives the same simulation wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from scionwood_pde.solvers import simulate
from scionwood_pde.solvers.registry import equation_class

BRANCHES = ("train", "val", "test", "pretrain")
"""Each use has its own branch of the seed, so that no simulation occurs in two of them."""


@final
@dataclass(frozen=True)
class Frames:
    """The result of one simulation.

    Args:
        index: number of the simulation.
        fields: (frame, channel, x, y, z) float32, in the units of the equation.
        valid: () bool, false if a value is NaN, infinite or out of bounds. It is a tensor, so that
            the host need not wait for a GPU.
    """

    index: int
    fields: Tensor
    valid: Tensor


@final
@dataclass(frozen=True)
class Simulator:
    """A function from a number to its simulation.

    Equations are used in turn; parameters and initial states are drawn.

    Args:
        equations: names of `EQUATIONS` that are defined in three dimensions.
        n_points: grid points along each axis.
        n_frames: frames of a simulation, without the initial state.
        interval: time between frames, relative to the equation's own `INTERVAL`.
        substeps: time steps between two frames.
        seed: seed of all random numbers.
        branch: one of `BRANCHES`.
        rank: rank of the process in a distributed training; each rank has its own simulations.
        device: device of the solver; random numbers are drawn on the CPU.

    Raises:
        ValueError: an equation is unknown or not defined in three dimensions, or the branch is
            unknown.
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
            raise ValueError("equations=(): there is nothing to simulate. Name at least one")
        for name in self.equations:
            equation_class(name)().check(3, 1)
        if self.branch not in BRANCHES:
            raise ValueError(f"branch={self.branch!r}: choose one of {', '.join(BRANCHES)}")

    def __call__(self, index: int) -> Frames:
        """Run the simulation with a number."""
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
        """Return the random numbers of a simulation for a purpose.

        Args:
            index: number of the simulation.
            purpose: 0 for its states, 1 for its crops; 2, with number 0, for draws from the cache.
        """
        key = (BRANCHES.index(self.branch), self.rank, index, purpose)
        word = np.random.SeedSequence(self.seed, spawn_key=key).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(word >> np.uint64(1)))
