"""Trajectories that are simulated before the training and kept in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_pde.data.domain import Domain
from scionwood_pde.data.normaliser import Normaliser
from scionwood_pde.evaluation.filters import Filters, fitted
from scionwood_pde.evaluation.modes import Modes
from scionwood_pde.online import BRANCHES
from scionwood_pde.readers.states import from_simulation, layout_of
from scionwood_pde.solvers import Simulation, simulate
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.registry import check_parameters, equation_class
from scionwood_pde.solvers.spectral import Grid

ROUNDS = 10
"""Most rounds of simulation with which a split is filled after trajectories were rejected."""


@final
class Trajectories(SplitData):
    """Pairs of consecutive states from simulated trajectories of one equation.

    Each split draws its trajectories from its own branch of the seed. A trajectory with a value
    that is not finite is replaced by another one.

    Shapes: a batch holds `state`, (batch, frame * field, x, y, z), oldest frame first, and `next`,
        (batch, field, x, y, z), float32; with `conditions`, also (batch, condition).

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
        history: frames of a `state`.
        strides: frames from a state to its `next`, and between the frames of a history. With
            several, each pair is used at each of them, and `dt` should be among the conditions.
        conditions: numbers that come with each pair: `dt`, the time between its states in the unit
            T, or parameters of the equation.
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
        history: int = 1,
        strides: Sequence[int] = (1,),
        conditions: Sequence[str] = (),
        batch_size: int = 4,
        n_train: int = 16,
        n_val: int = 4,
        n_test: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.equation, self.parameters = _checked(equation, parameters or {})
        self.history, self.strides, self.conditions = history, tuple(strides), tuple(conditions)
        if not self.strides or min(self.strides) < 1 or history < 1:
            value = f"strides: {list(strides)}, history: {history}"
            raise RecipeError(value, "numbers of frames, 1 or more", "Correct them")
        needed = skip + history * max(self.strides) + 1
        if n_frames < needed:
            rule = f"at least {needed}: one pair after the {skip} frames that skip drops"
            raise RecipeError(f"n_frames: {n_frames}", rule, "Raise it")
        self._check_conditions()
        self.n_points, self.n_frames, self.skip = n_points, n_frames, skip
        self.interval, self.substeps = interval, substeps
        self.batch_size, self.seed = batch_size, seed
        self.lengths = {"train": n_train, "val": n_val, "test": n_test}
        self._splits: dict[str, Tensor] = {}
        self._drawn: dict[str, dict[str, Tensor]] = {}

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; see `SplitData.loader`."""
        states = self.trajectories(split)
        pairs = _Pairs(states, self.history, self.strides, self._numbers(split, len(states)))
        return DataLoader(pairs, self.batch_size, shuffle=split == "train")

    @cached_property
    def normaliser(self) -> Normaliser:
        """The normaliser of the fields, measured on the training split."""
        dt = self.interval * self.equation.INTERVAL
        states = self._simulated("train").flatten(0, 1).numpy()
        return Normaliser.of(self.equation.channels(3), states, dt, "T")

    @property
    def domain(self) -> Domain:
        """Units, grid and equation of the simulations."""
        states = self._simulated("train")[:1]
        grid = Grid(self.n_points, 3, self.equation.length)
        # Only grid and units matter here, so the times may be frame numbers.
        times = torch.arange(states.shape[1], dtype=torch.float64)
        names = self.equation.channels(3)
        one = Simulation(states, torch.ones(1, dtype=torch.bool), times, names, self.equation, grid)
        return Domain.of(layout_of(from_simulation(one)))

    def trajectories(self, split: str) -> Tensor:
        """Return the normalised trajectories of a split, (sample, time, field, x, y, z) float32."""
        return self.normaliser.apply(self._simulated(split))

    def filters(self) -> Filters | None:
        """Return linear filters fitted on the training split, or `None` with several strides."""
        if len(self.strides) > 1:
            return None
        return fitted(self.trajectories("train"), self.modes, stride=self.strides[0], horizons=1)

    @property
    def modes(self) -> Modes:
        """The modes of the grid."""
        return Modes((self.n_points,) * 3, (True,) * 3)

    def _check_conditions(self) -> None:
        """Check that each condition is `dt` or a parameter of the equation.

        Raises:
            RecipeError: one is not.
        """
        choices = ["dt", *sorted(self.equation.PARAMETERS)]
        unknown = [name for name in self.conditions if name not in choices]
        if unknown:
            rule = f"this equation has {', '.join(choices)}"
            raise RecipeError(f"conditions: {unknown[0]}", rule, "Choose some of these")

    def _numbers(self, split: str, count: int) -> Tensor | None:
        """Return the conditions of the trajectories at each stride, (stride, sample, condition)."""
        if not self.conditions:
            return None
        dt = self.interval * self.equation.INTERVAL
        sampled_parameters = self._drawn[split]
        rows = [
            [
                torch.full((count,), stride * dt) if name == "dt" else sampled_parameters[name]
                for name in self.conditions
            ]
            for stride in self.strides
        ]
        return torch.stack([torch.stack(row, dim=1) for row in rows]).float()

    def _simulated(self, split: str) -> Tensor:
        """Return the trajectories of a split in the equation's units, simulated at first use."""
        if split not in self._splits:
            branch = 2 * BRANCHES.index(split) + 1
            generator = torch.Generator().manual_seed((self.seed << 8) + branch)
            self._splits[split], self._drawn[split] = self._run(self.lengths[split], generator)
        return self._splits[split]

    def _run(self, count: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the first `count` trajectories that are valid, and the parameters of each."""
        valid_fields: list[Tensor] = []
        numbers: dict[str, list[Tensor]] = {name: [] for name in self.equation.PARAMETERS}
        remedy = ""
        for _ in range(ROUNDS):
            # The generator goes on: rejected trajectories are replaced by others, not drawn again.
            batch = count - sum(map(len, valid_fields))
            if not batch:
                return torch.cat(valid_fields), {
                    n: torch.cat(parts) for n, parts in numbers.items()
                }
            sampled_equation = replace(self.equation.drawn(generator, batch), **self.parameters)
            dt = self.interval * self.equation.INTERVAL
            shape = (self.n_points, 3, self.n_frames - 1, dt, batch)
            run = simulate(sampled_equation, *shape, generator, self.substeps)
            remedy = run.remedy() if not run.valid.all() else remedy
            valid_fields.append(run.fields[run.valid, self.skip :])
            for name, parts in numbers.items():
                value = torch.as_tensor(getattr(sampled_equation, name), dtype=torch.float64)
                parts.append(value.expand(batch)[run.valid])
        rule = f"{ROUNDS} rounds of simulation gave fewer than {count} finite trajectories"
        raise RecipeError(f"equation: {type(self.equation).__name__}", rule, remedy)


@final
class _Pairs(Dataset[dict[str, Tensor]]):
    """Histories with the state that follows, at each stride."""

    def __init__(
        self,
        trajectories: Tensor,
        history: int = 1,
        strides: Sequence[int] = (1,),
        conditions: Tensor | None = None,
    ) -> None:
        self.trajectories, self.history, self.conditions = trajectories, history, conditions
        samples, times = trajectories.shape[:2]
        self.places = [
            (number, sample, start, stride)
            for number, stride in enumerate(strides)
            for sample in range(samples)
            for start in range(times - history * stride)
        ]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        number, sample, start, stride = self.places[index]
        end = start + self.history * stride
        states = self.trajectories[sample]
        pair = {"state": states[start:end:stride].flatten(0, 1), "next": states[end]}
        if self.conditions is not None:
            pair["conditions"] = self.conditions[number, sample]
        return pair


def _checked(name: str, parameters: Mapping[str, float]) -> tuple[Equation, dict[str, Any]]:
    """Return the equation, checked for three dimensions, and its fixed parameters.

    Raises:
        RecipeError: the equation or a parameter is unknown, or a parameter has no such value.
    """
    try:
        equation = equation_class(name)()
        equation.check(3, 1)
        check_parameters(name, parameters)
    except ValueError as error:
        raise RecipeError(str(error)) from error
    return equation, dict(parameters)
