"""Trajectories that are simulated beforehand from a seed and held in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cached_property
from typing import Any, final

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import DataLoader, RecipeError
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.online import BRANCHES
from scionwood_pde.solvers import simulate
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.registry import equation_class

ROUNDS = 10
"""How often a split is filled up after trajectories were rejected."""


@final
class Trajectories(L.LightningDataModule):
    """Pairs of a state and the next one, of simulated trajectories of one equation.

    Each split draws its trajectories from its own branch of the seed. A trajectory with a value
    that is not finite is replaced by another.

    Shapes: a batch holds `state` and `next`, (batch, field, x, y, z) float32.

    Units: each field less its mean and over its standard deviation in the training split.

    Raises:
        RecipeError: an unknown equation or parameter, or trajectories that are never finite.

    Source: `scionwood_pde.solvers`, where each equation names its source.

    Args:
        equation: a name of `solvers.EQUATIONS`.
        parameters: numbers of the equation, in its units, such as `viscosity` or `forcing_mode`.
            Of those that have a range, what is left out is drawn for each trajectory.
        n_points: points an axis, a multiple of 16.
        n_frames: frames of a trajectory, from its initial state on; one pair less.
        skip: frames left out at the beginning.
        interval: the time between frames over the equation's own `INTERVAL`.
        substeps: time steps a frame.
        batch_size: pairs a batch.
        n_train: trajectories for training.
        n_val: trajectories for validation.
        n_test: trajectories for the test.
        seed: of everything.
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
            rule = f"at least {skip + 2}, a pair after the {skip} frames of skip"
            raise RecipeError(f"n_frames: {n_frames}", rule, "Raise it")
        self.n_points, self.n_frames, self.skip = n_points, n_frames, skip
        self.interval, self.substeps = interval, substeps
        self.batch_size, self.seed = batch_size, seed
        self.lengths = {"train": n_train, "val": n_val, "test": n_test}
        self._held: dict[str, Tensor] = {}

    def train_dataloader(self) -> DataLoader:
        """Batches of the training split, in another order each epoch."""
        return DataLoader(self._pairs("train"), self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Batches of the validation split."""
        return DataLoader(self._pairs("val"), self.batch_size)

    def test_dataloader(self) -> DataLoader:
        """Batches of the test split."""
        return DataLoader(self._pairs("test"), self.batch_size)

    @cached_property
    def normaliser(self) -> Normaliser:
        """Of the fields of the training split."""
        dt = self.interval * self.equation.INTERVAL
        states = self._simulated("train").flatten(0, 1).numpy()
        return Normaliser.of(self.equation.channels(3), states, dt, "T")

    def trajectories(self, split: str) -> Tensor:
        """All trajectories of a split, normalised: (sample, time, field, x, y, z) float32."""
        return self.normaliser.apply(self._simulated(split))

    def _pairs(self, split: str) -> Dataset[dict[str, Tensor]]:
        return _Pairs(self.trajectories(split))

    def _simulated(self, split: str) -> Tensor:
        """The trajectories of a split in the equation's units; simulated when first asked for."""
        if split not in self._held:
            branch = 2 * BRANCHES.index(split) + 1
            generator = torch.Generator().manual_seed((self.seed << 8) + branch)
            self._held[split] = self._run(self.lengths[split], generator)
        return self._held[split]

    def _run(self, wanted: int, generator: torch.Generator) -> Tensor:
        """The first so many trajectories that hold."""
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
        rule = f"{ROUNDS} rounds of simulation gave less than {wanted} finite trajectories"
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
    """The equation in three dimensions and its fixed parameters.

    Raises:
        RecipeError: either is unknown.
    """
    try:
        found = equation_class(name)()
        found.check(3, 1)
    except ValueError as error:
        raise RecipeError(str(error)) from error
    known = sorted(f.name for f in fields(found) if isinstance(f.default, float | int))
    unknown = [key for key in parameters if key not in known]
    if unknown:
        rule = f"{name} has the parameters {', '.join(known)}"
        raise RecipeError(f"parameters: {unknown[0]}", rule, "Correct the name")
    return found, dict(parameters)
