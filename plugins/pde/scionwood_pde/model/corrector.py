"""A solver on a coarse grid, and a network that corrects what it misses: a solver in the loop.

A step solves the equation from the present state, and a model of change is added to the solution.
Both parts are differentiable, so that an unrolled loss trains the network for the states to which
it leads the solver. Modes that the coarse grid lacks follow the linear terms of the equation.

Source: Um et al. 2020, arXiv:2007.00016; the solvers are those of `solvers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from scionwood_pde.model.forecast import Forecast, Scales
from scionwood_pde.model.tiles import Tiling
from scionwood_pde.solvers.equation import Equation, Semilinear
from scionwood_pde.solvers.etd import Step, exact
from scionwood_pde.solvers.spectral import Grid


@final
class CoarseSolver:
    """Steps of an equation on a coarse grid, from fields on a finer one to fields on it.

    Args:
        equation: the equation with its parameters.
        n_points: points of the coarse grid along each axis.
        dims: number of space dimensions.
        dt: time of a step.
        substeps: time steps of ETDRK2 in it.

    Raises:
        ValueError: the equation does not fit the grid.
    """

    def __init__(
        self, equation: Equation, n_points: int, dims: int, dt: float, substeps: int
    ) -> None:
        equation.check(dims, 1)
        self.equation, self.n_points, self.dims = equation, n_points, dims
        self.dt, self.substeps = dt, substeps
        self.top = 2 * (n_points // 2) // 3 - 1
        self._steps: dict[torch.device, Step] = {}
        self._step(torch.device("cpu"))

    def __call__(self, x: Tensor) -> Tensor:
        """Advance fields (batch, channel, *space), in their units, by one step.

        Raises:
            ValueError: a side is shorter than that of the coarse grid, or the sides differ.
        """
        sides = tuple(x.shape[2:])
        if min(sides) < self.n_points or len(set(sides)) > 1:
            raise ValueError(
                f"a domain of {sides}: its sides are equal, and at least the {self.n_points} of "
                "the coarse grid. Lower `coarse`"
            )
        grid = Grid(sides[0], self.dims, self.equation.length, torch.float32, x.device)
        spectrum = grid.forward(x.float())
        there, here = self._places(sides[0]), self._places(self.n_points)
        shape = [self.n_points] * (self.dims - 1) + [self.n_points // 2 + 1]
        state = spectrum.new_zeros(*x.shape[:2], *shape)
        state[here] = spectrum[there]
        step = self._step(x.device)
        for _ in range(self.substeps):
            state = step(state)
        whole = self._others(grid)(spectrum)
        whole[there] = state[here]
        return grid.inverse(whole).to(x.dtype)

    def _step(self, device: torch.device) -> Step:
        if device not in self._steps:
            length = self.equation.length
            grid = Grid(self.n_points, self.dims, length, torch.float32, device)
            self._steps[device] = self.equation.stepper(grid, self.dt / self.substeps, 2)
        return self._steps[device]

    def _others(self, grid: Grid) -> Step:
        """Return the step of the modes that the coarse grid lacks."""
        if not isinstance(self.equation, Semilinear):
            return torch.clone
        return exact(self.equation.linear(grid), self.dt, grid.dtype)

    def _places(self, side: int) -> tuple[slice | Tensor, ...]:
        """Return the places of the modes that the coarse grid resolves, in a spectrum of a side."""
        kept = torch.tensor([i for i in range(side) if min(i, side - i) <= self.top])
        lines = [kept] * (self.dims - 1) + [torch.arange(self.top + 1)]
        shaped = [
            line.reshape([-1 if i == axis else 1 for i in range(self.dims)])
            for axis, line in enumerate(lines)
        ]
        return (slice(None), slice(None), *shaped)


@final
class Means(nn.Module):
    """The mean of each field in its unit, which the solver needs.

    Args:
        fields: number of fields.
    """

    mean: Tensor

    def __init__(self, fields: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(fields))


@final
class Corrector(nn.Module):
    """The next state: the solution of a coarse solver, and a learned change of it.

    Args:
        learned: the model of the change; it sees the solution.
        solver: the solver.
        card: entries for the model card.
    """

    history = 1
    conditions: tuple[str, ...] = ()

    def __init__(self, learned: Forecast, solver: CoarseSolver, card: Mapping[str, str]) -> None:
        super().__init__()
        self.learned, self.solver = learned, solver
        self.means = Means(learned.fields)
        self.head = ("means", *(f"learned.{name}" for name in learned.head))
        self.adapter_targets = {
            name: pattern.replace("network", "learned.network", 1)
            for name, pattern in learned.adapter_targets.items()
        }
        self.card = {**learned.card, **card}

    @property
    def scales(self) -> Scales:
        """The scales of the learned change."""
        return self.learned.scales

    @property
    def tiling(self) -> Tiling:
        """The tiling of the network; the solver sees whole domains."""
        return self.learned.tiling

    @property
    def fields(self) -> int:
        """Number of fields of a state."""
        return self.learned.fields

    def forward(self, x: Tensor) -> Tensor:
        """Predict the next state.

        Args:
            x: (batch, field, *space), each field with about zero mean and unit variance.

        Returns:
            The same shape and units, one step later.

        Raises:
            ValueError: the shape, the number of fields or the sides do not fit.
        """
        y: Tensor = self.learned(self.solved(x))
        return y

    def solved(self, x: Tensor) -> Tensor:
        """Return what the solver alone predicts, normalised as the input."""
        shape = (-1, *[1] * (x.ndim - 2))
        std, mean = self.learned.scales.std.view(shape), self.means.mean.view(shape)
        return (self.solver(x * std + mean) - mean) / std

    def limited(self, x: Tensor) -> Tensor:
        """Return a state whose energy is at most that of the training; see `Forecast.limited`."""
        return self.learned.limited(x)

    @torch.no_grad()
    def measure(
        self,
        batches: Iterable[Mapping[str, Tensor]],
        std: Sequence[float] | None = None,
        mean: Sequence[float] | None = None,
    ) -> None:
        """Measure the units for the solver, and the scales of what it misses.

        Args:
            batches: batches of the training split with `state` and `next`.
            std: standard deviation of each field in its unit. `None` means 1.
            mean: mean of each field in its unit. `None` means 0.
        """
        if std is not None:
            self.learned.scales.std.copy_(torch.tensor(std))
        if mean is not None:
            self.means.mean.copy_(torch.tensor(mean))
        self.learned.measure(self._missed(batches), std)

    def _missed(self, batches: Iterable[Mapping[str, Tensor]]) -> Iterator[Mapping[str, Tensor]]:
        for batch in batches:
            now = batch["state"][:, -self.fields :]
            yield {"state": self.solved(now), "next": batch["next"]}

    def example_input(self) -> tuple[Tensor, ...]:
        """Return a seeded state with the smallest side."""
        side = -(-self.solver.n_points // 16) * 16
        generator = torch.Generator().manual_seed(0)
        return (torch.randn((1, self.fields, *(side,) * self.solver.dims), generator=generator),)
