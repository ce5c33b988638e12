"""The base of all equations: channels, parameters with their ranges, and a step in time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias, final

import torch
from torch import Tensor

from scionwood_pde.solvers.etd import IN_PLACE, SCHEMES, Nonlinear, Step, exact
from scionwood_pde.solvers.initial import InitialCondition, TruncatedFourier
from scionwood_pde.solvers.kept import KeptGrid
from scionwood_pde.solvers.spectral import Grid, highest_resolved

Coefficient: TypeAlias = float | Tensor
"""One number for all samples, or a tensor (batch,) with one for each."""

Advance: TypeAlias = Callable[[Tensor], Tensor]
"""A function from fields (batch, channel, *space) to those of the next frame."""


@final
@dataclass(frozen=True)
class Term:
    """The place of a parameter in APEBench's form of an equation, arXiv:2411.00180.

    Args:
        kind: linear, `a_j sum_i d^j u / dx_i^j`; convection, `b_1 (u . grad) u`; or gradient_norm,
            `b_2/2 |grad u|^2`.
        order: j, the number of derivatives.
        sign: sign of the parameter if all terms are on the right-hand side.
    """

    kind: Literal["linear", "convection", "gradient_norm"]
    order: int
    sign: int


@final
@dataclass(frozen=True)
class Parameter:
    """The range from which a physical parameter is drawn.

    Args:
        low: lowest value.
        high: highest value.
        unit: unit in powers of L (length), T (time) and U (the field), such as `L^2/T`.
        logarithmic: draw the logarithm uniformly.
        term: its place in APEBench's form, or `None`.
    """

    low: float
    high: float
    unit: str
    logarithmic: bool = False
    term: Term | None = None

    def draw(self, generator: torch.Generator, batch: int) -> Tensor:
        """Draw values (batch,), float64, on the generator's device."""
        share = torch.rand(batch, generator=generator, dtype=torch.float64, device=generator.device)
        if self.logarithmic:
            return self.low * (self.high / self.low) ** share
        return self.low + (self.high - self.low) * share


@dataclass(frozen=True, eq=False, kw_only=True)
class Equation(ABC):
    """A partial differential equation on a periodic box.

    The fields of the class are its configuration. The fields in `PARAMETERS` take a number, or a
    tensor (batch,) with one number for each sample.

    Args:
        length: side of the box; the default fits the ranges.
        initial: distribution of the initial states.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {}
    DIMS: ClassVar[tuple[int, ...]] = (1, 2, 3)
    INTERVAL: ClassVar[float]
    """Time between frames, in the unit T, over which the fields change visibly."""

    length: float = 1.0
    initial: InitialCondition = field(default_factory=TruncatedFourier)

    @abstractmethod
    def channels(self, dims: int) -> tuple[str, ...]:
        """Return the names of the channels for a number of dimensions, in order."""

    def unit(self, channel: str) -> str:
        """Return the unit of a channel in powers of L, T and U."""
        return "U"

    @abstractmethod
    def stepper(self, grid: Grid, dt: float, order: int) -> Step:
        """Return the step from one time to the next.

        Args:
            grid: grid of the fields.
            dt: time step, T.
            order: order of the scheme, 2 or 4; both are exact for linear equations.

        Returns:
            A function from (batch, channel, *modes) complex to the same shape, with gradients if
            its input or a coefficient needs them.
        """

    def differentiable(self, grid: Grid, dt: float, order: int) -> Step:
        """Return the step without buffers, for graphs that are recorded; see `stepper`."""
        return self.stepper(grid, dt, order)

    def advance(self, grid: Grid, dt: float, order: int, substeps: int) -> Advance:
        """Return the step from a frame to the next, without gradients.

        Args:
            grid: grid of the fields.
            dt: time between two frames, T.
            order: order of the scheme, 2 or 4.
            substeps: time steps between two frames.

        Returns:
            A function from real fields (batch, channel, *space) to the same shape.
        """
        step = self.stepper(grid, dt / substeps, order)

        def run(fields: Tensor) -> Tensor:
            # Start from the real field, so that rounding errors outside its symmetry do not grow.
            spectrum = grid.forward(fields)
            for _ in range(substeps):
                spectrum = step(spectrum)
            return grid.inverse(spectrum)

        return run

    def own_speed(self, state: Tensor) -> Tensor | None:
        """Return the largest speed at which a state carries itself, or `None` if it does not.

        Args:
            state: real fields (batch, channel, *space).

        Returns:
            (batch,), L/T.
        """
        return None

    def drawn(self, generator: torch.Generator, batch: int) -> Self:
        """Return this equation with each parameter drawn from its range for each sample.

        Args:
            generator: source of the random numbers.
            batch: number of samples.
        """
        # Sorted, so that a seed draws the same values whatever the order in which a class names
        # them.
        sampled_parameters: dict[str, Any] = {
            name: self.PARAMETERS[name].draw(generator, batch) for name in sorted(self.PARAMETERS)
        }
        return replace(self, **sampled_parameters)

    def check(self, dims: int, batch: int) -> None:
        """Check the number of dimensions and the shapes of the parameters.

        Raises:
            ValueError: the equation is not defined in so many dimensions, or a parameter has
                another shape than (batch,).
        """
        name = type(self).__name__
        if dims not in self.DIMS:
            raise ValueError(f"{name} in {dims}D: it is defined in {self.DIMS}. Choose one")
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Tensor) and value.shape != (batch,):
                raise ValueError(
                    f"{name}.{entry.name} of shape {tuple(value.shape)}: a coefficient is a number "
                    f"or one for each sample, ({batch},). Draw it with drawn(generator, {batch})"
                )


@dataclass(frozen=True, eq=False, kw_only=True)
class Semilinear(Equation):
    """An equation `du/dt = L u + N(u)` with L diagonal in Fourier space and N pointwise."""

    DEGREE: ClassVar[int] = 2
    """Degree of the polynomial N, for the de-aliasing: 2 keeps 2/3 of the modes, 3 keeps 1/2."""

    def linear(self, grid: Grid) -> Tensor:
        """Return L, in 1/T, as float64, or complex128 for odd orders.

        It broadcasts to (batch, channel, *modes). The default is the sum of the linear terms in
        `PARAMETERS`.
        """
        parts = [
            part.term.sign * symbol_scale(getattr(self, name), grid) * _derivatives(part.term, grid)
            for name, part in self.PARAMETERS.items()
            if part.term is not None and part.term.kind == "linear"
        ]
        return sum(parts, start=torch.zeros((), dtype=torch.float64, device=grid.device))

    @abstractmethod
    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """Return N for a grid, or `None` for a linear equation."""

    @final
    def stepper(self, grid: Grid, dt: float, order: int) -> Step:
        """Return the step of ETDRK2 or ETDRK4; see `Equation.stepper`.

        In 3D, without gradients, it computes with the modes that survive de-aliasing only.

        Raises:
            ValueError: see `differentiable`.
        """
        whole_step, low_modes = self.differentiable(grid, dt, order), self._low(grid, dt, order)
        if low_modes is None or grid.dims < 3:  # where most modes survive, cutting them costs more
            return whole_step
        low_grid, low_step = low_modes
        linear = self.linear(grid)
        others = exact(linear.detach(), dt, grid.dtype)

        def step(u: Tensor) -> Tensor:
            if torch.is_grad_enabled() and (u.requires_grad or linear.requires_grad):
                return whole_step(u)
            return low_grid.put(low_step(low_grid.cut(u)), others(u))

        return step

    @final
    def differentiable(self, grid: Grid, dt: float, order: int) -> Step:
        """See `Equation.differentiable`.

        Raises:
            ValueError: the order is not 2 or 4, or the grid is so coarse that modes grow which N
                does not affect.
        """
        if order not in SCHEMES:
            raise ValueError(f"order={order}: schemes have order {sorted(SCHEMES)}. Use one")
        linear, nonlinear = self.linear(grid), self.nonlinear(grid)
        if nonlinear is None:
            return exact(linear, dt, grid.dtype)
        # The real part of L is the rate of growth; the imaginary part only turns the phase.
        growth = linear.real if linear.is_complex() else linear
        # De-aliasing cuts these modes out of N, so that nothing would stop their growth.
        if bool(((growth > 0) & (grid.resolved(self.DEGREE) == 0)).any()):
            raise ValueError(
                f"{type(self).__name__} with n_points={grid.n_points}, length={grid.length}: modes "
                "beyond the de-aliasing limit grow, and no nonlinear term limits them. "
                "Raise n_points or shrink length"
            )
        return SCHEMES[order](linear, nonlinear, dt, grid.dtype)

    @final
    def advance(self, grid: Grid, dt: float, order: int, substeps: int) -> Advance:
        """Return the step from a frame to the next; see `Equation.advance`."""
        self.differentiable(grid, dt / substeps, order)  # checks order and grid
        low_modes = self._low(grid, dt / substeps, order)
        if low_modes is None:
            return super().advance(grid, dt, order, substeps)
        low_grid, step = low_modes
        # Over the whole dt: substeps only help the schemes for N, which these modes do not see.
        others = exact(self.linear(grid), dt, grid.dtype)

        def run(fields: Tensor) -> Tensor:
            spectrum = grid.forward(fields)
            low = low_grid.cut(spectrum)
            for _ in range(substeps):
                low = step(low)
            return grid.inverse(low_grid.put(low, others(spectrum)))

        return run

    def _low(self, grid: Grid, dt: float, order: int) -> tuple[KeptGrid, Step] | None:
        """Return the modes that survive de-aliasing and their step, or `None` without any."""
        highest = highest_resolved(grid.n_points, self.DEGREE)
        if isinstance(grid, KeptGrid) or highest < 1 or self.nonlinear(grid) is None:
            return None
        low_grid = KeptGrid(grid.n_points, grid.dims, grid.length, grid.dtype, grid.device, highest)
        nonlinear = self.nonlinear(low_grid)
        assert nonlinear is not None
        with torch.no_grad():
            return low_grid, IN_PLACE[order](self.linear(low_grid), nonlinear, dt, grid.dtype)


def _derivatives(term: Term, grid: Grid) -> Tensor | float:
    """Return the symbol of `sum_i d^order / dx_i^order`; for order 0 it is 1."""
    return grid.sum_of_derivatives(term.order) if term.order else 1.0


def symbol_scale(value: Coefficient, grid: Grid) -> Tensor:
    """Return a coefficient for symbols, (1 or batch, 1, ...) float64, to broadcast to spectra."""
    tensor = torch.as_tensor(value, dtype=torch.float64, device=grid.device)
    return tensor.reshape(-1, *[1] * (grid.dims + 1))


def field_scale(value: Coefficient, grid: Grid) -> Tensor:
    """Return a coefficient for fields, (1 or batch, 1, ...) in their dtype."""
    return symbol_scale(value, grid).to(grid.dtype)
