"""Trajectories that are simulated before the training and kept in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import DataLoader, RecipeError, Split, SplitData
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.online import BRANCHES
from scionwood_pde.solvers import simulate
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.registry import equation_class

ROUNDS = 10
"""Most rounds of simulation with which a split is filled after trajectories were rejected."""


@final
class Trajectories(SplitData):
    """Pairs of consecutive states from simulated trajectories of one equation.

    Each split draws its trajectories from its own branch of the seed. A trajectory with a value
    that is not finite is replaced by another one.

    Shapes: a batch holds `state` and `next`, (batch, field, x, y, z) float32.

    Units: from each field its mean is subtracted, and the difference is divided by its standard
        deviation, both of the training split.

    Raises:
        RecipeError: the equation or a parameter is unknown, or too few trajectories are finite.

    Source: `scionwood_pde.solvers`, where each equation names its source.

    Args:
        equation: a name of `solvers.EQUATIONS`.
        parameters: parameters of the equation in its units, such as `viscosity` or `forcing_mode`.
            A parameter that has a range and is not given is drawn for each trajectory.
        n_points: grid points along each axis, a multiple of 16.
        n_frames: frames of a trajectory, including the initial state.
        skip: frames dropped at the beginning.
        interval: time between frames, relative to the equation's own `INTERVAL`.
        substeps: time steps between two frames.
        batch_size: pairs in a batch.
        n_train: trajectories for training.
        n_val: trajectories for validation.
        n_test: trajectories for the test.
        seed: seed of all random numbers.
    """

    def __init__(
        self,
        *,
        equation: str = "burgers",
        parameters: Mapping[str, float] | None = None,
        n_points: int = 32,
        n_frames: int = 8,
        skip: int = 0,
        interval: float = 1.0,
        substeps: int = 1,
        batch_size: int = 4,
        n_train: int = 16,
        n_val: int = 4,
        n_test: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.equation, self.parameters = _checked(equation, parameters or {})
        if n_frames < skip + 2:
            rule = f"at least {skip + 2}: one pair after the {skip} frames that skip drops"
            raise RecipeError(f"n_frames: {n_frames}", rule, "Raise it")
        self.n_points, self.n_frames, self.skip = n_points, n_frames, skip
        self.interval, self.substeps = interval, substeps
        self.batch_size, self.seed = batch_size, seed
        self.lengths = {"train": n_train, "val": n_val, "test": n_test}
        self._splits: dict[str, Tensor] = {}

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; see `SplitData.loader`."""
        pairs = _Pairs(self.trajectories(split))
        return DataLoader(pairs, self.batch_size, shuffle=split == "train")

    @cached_property
    def normaliser(self) -> Normaliser:
        """The normaliser of the fields, measured on the training split."""
        dt = self.interval * self.equation.INTERVAL
        states = self._simulated("train").flatten(0, 1).numpy()
        return Normaliser.of(self.equation.channels(3), states, dt, "T")

    def trajectories(self, split: str) -> Tensor:
        """Return the normalised trajectories of a split, (sample, time, field, x, y, z) float32."""
        return self.normaliser.apply(self._simulated(split))

    def _simulated(self, split: str) -> Tensor:
        """Return the trajectories of a split in the equation's units, simulated at first use."""
        if split not in self._splits:
            branch = 2 * BRANCHES.index(split) + 1
            generator = torch.Generator().manual_seed((self.seed << 8) + branch)
            self._splits[split] = self._run(self.lengths[split], generator)
        return self._splits[split]

    def _run(self, wanted: int, generator: torch.Generator) -> Tensor:
        """Return the first `wanted` trajectories that are valid."""
        kept: list[Tensor] = []
        for _ in range(ROUNDS):
            batch = wanted - sum(map(len, kept))
            if not batch:
                return torch.cat(kept)
            drawn = replace(self.equation.drawn(generator, batch), **self.parameters)
            dt = self.interval * self.equation.INTERVAL
            shape = (self.n_points, 3, self.n_frames - 1, dt, batch)
            run = simulate(drawn, *shape, generator, self.substeps)
            kept.append(run.fields[run.valid, self.skip :])
        rule = f"{ROUNDS} rounds of simulation gave fewer than {wanted} finite trajectories"
        raise RecipeError(f"equation: {type(self.equation).__name__}", rule, "Raise substeps")


@final
class _Pairs(Dataset[dict[str, Tensor]]):
    def __init__(self, trajectories: Tensor) -> None:
        self.trajectories = trajectories

    def __len__(self) -> int:
        return len(self.trajectories) * (self.trajectories.shape[1] - 1)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        sample, time = divmod(index, self.trajectories.shape[1] - 1)
        states = self.trajectories[sample]
        return {"state": states[time], "next": states[time + 1]}


def _checked(name: str, parameters: Mapping[str, float]) -> tuple[Equation, dict[str, Any]]:
    """Return the equation, checked for three dimensions, and its fixed parameters.

    Raises:
        RecipeError: the equation or a parameter is unknown.
    """
    try:
        equation = equation_class(name)()
        equation.check(3, 1)
    except ValueError as error:
        raise RecipeError(str(error)) from error
    known = sorted(f.name for f in fields(equation) if isinstance(f.default, float | int))
    unknown = [key for key in parameters if key not in known]
    if unknown:
        rule = f"{name} has the parameters {', '.join(known)}"
        raise RecipeError(f"parameters: {unknown[0]}", rule, "Correct the name")
    return equation, dict(parameters)
