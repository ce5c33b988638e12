"""A solver on a coarse grid, and a network that corrects what it misses: a solver in the loop.

A step solves the equation from the present state, and a model of change is added to the solution.
Both parts are differentiable, so that an unrolled loss trains the network for the states to which
it leads the solver. Modes that the coarse grid lacks follow the linear terms of the equation.

Source: Um et al. 2020, arXiv:2007.00016; the solvers are those of `solvers`.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from scionwood_pde.solvers.equation import Equation, Semilinear
from scionwood_pde.solvers.etd import Step, exact
from scionwood_pde.solvers.spectral import Grid, highest_resolved


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
        # The limit of a quadratic N. A cubic N keeps fewer modes on the coarse grid, whose steps
        # advance the others by the linear terms, as `_others` does.
        self.top = highest_resolved(n_points, 2)
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
        fine, coarse = self._places(sides[0]), self._places(self.n_points)
        shape = [self.n_points] * (self.dims - 1) + [self.n_points // 2 + 1]
        state = spectrum.new_zeros(*x.shape[:2], *shape)
        state[coarse] = spectrum[fine]
        step = self._step(x.device)
        for _ in range(self.substeps):
            state = step(state)
        solution = self._others(grid)(spectrum)
        solution[fine] = state[coarse]
        return grid.inverse(solution).to(x.dtype)

    def _step(self, device: torch.device) -> Step:
        if device not in self._steps:
            length = self.equation.length
            grid = Grid(self.n_points, self.dims, length, torch.float32, device)
            self._steps[device] = self.equation.differentiable(grid, self.dt / self.substeps, 2)
        return self._steps[device]

    def _others(self, grid: Grid) -> Step:
        """Return the step of the modes that the coarse grid lacks."""
        if not isinstance(self.equation, Semilinear):
            return torch.clone
        return exact(self.equation.linear(grid), self.dt, grid.dtype)

    def _places(self, side: int) -> tuple[slice | Tensor, ...]:
        """Return the places of the modes that the coarse grid resolves, in a spectrum of a side."""
        modes = torch.tensor([i for i in range(side) if min(i, side - i) <= self.top])
        lines = [modes] * (self.dims - 1) + [torch.arange(self.top + 1)]
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
