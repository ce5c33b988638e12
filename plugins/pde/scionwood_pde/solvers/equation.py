"""What an equation is: its channels, its parameters with their ranges, and a step in time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias, final

import torch
from torch import Tensor

from scionwood_pde.solvers.etd import SCHEMES, Nonlinear, Step, exact
from scionwood_pde.solvers.initial import InitialCondition, TruncatedFourier
from scionwood_pde.solvers.spectral import Grid

Coefficient: TypeAlias = float | Tensor
"""One number for all samples, or (batch,) of them."""


@final
@dataclass(frozen=True)
class Term:
    """The place of a parameter in APEBench's form of an equation, `difficulty.py`.

    Args:
        kind: linear, `a_j sum_i d^j u / dx_i^j`; convection, `b_1 (u . grad) u`; gradient_norm,
            `b_2/2 |grad u|^2`.
        order: j, the number of derivatives.
        sign: of the parameter in that form, where all terms are on the right-hand side.
    """

    kind: Literal["linear", "convection", "gradient_norm"]
    order: int
    sign: int


@final
@dataclass(frozen=True)
class Parameter:
    """The range from which a physical parameter is drawn.

    Args:
        low: the lowest value.
        high: the highest value.
        unit: in powers of L (length), T (time) and U (the field), such as `L^2/T`.
        logarithmic: draw the logarithm uniformly.
        term: its place in APEBench's form, where it has one.
    """

    low: float
    high: float
    unit: str
    logarithmic: bool = False
    term: Term | None = None

    def draw(self, generator: torch.Generator, batch: int) -> Tensor:
        """Draw (batch,) float64 on the generator's device."""
        share = torch.rand(batch, generator=generator, dtype=torch.float64, device=generator.device)
        if self.logarithmic:
            return self.low * (self.high / self.low) ** share
        return self.low + (self.high - self.low) * share


@dataclass(frozen=True, eq=False, kw_only=True)
class Equation(ABC):
    """A partial differential equation on a periodic box.

    The fields of the class are its configuration. Those that `PARAMETERS` names take a number, or
    a tensor (batch,) with one number a sample.

    Args:
        length: side of the box; the default suits the ranges.
        initial: how initial states are drawn.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {}
    DIMS: ClassVar[tuple[int, ...]] = (1, 2, 3)
    INTERVAL: ClassVar[float]
    """A time between frames, in units of T, over which the fields change visibly."""

    length: float = 1.0
    initial: InitialCondition = field(default_factory=TruncatedFourier)

    @abstractmethod
    def channels(self, dims: int) -> tuple[str, ...]:
        """The names of the channels in so many dimensions, in their order."""

    @abstractmethod
    def stepper(self, grid: Grid, dt: float, order: int) -> Step:
        """Build the step from one time to the next.

        Args:
            grid: of the fields.
            dt: the time step, T.
            order: 2 or 4, the scheme; a linear equation is stepped exactly by either.

        Returns:
            A function of (batch, channel, *modes) complex to the same; gradients pass through.
        """

    def drawn(self, generator: torch.Generator, batch: int) -> Self:
        """This equation with every parameter drawn from its range, one value a sample.

        Args:
            generator: the source of all randomness.
            batch: the number of samples.
        """
        drawn: dict[str, Any] = {
            name: self.PARAMETERS[name].draw(generator, batch) for name in sorted(self.PARAMETERS)
        }
        return replace(self, **drawn)

    def check(self, dims: int, batch: int) -> None:
        """Refuse what the equation cannot be.

        Raises:
            ValueError: so many dimensions, or a coefficient of another shape than (batch,).
        """
        name = type(self).__name__
        if dims not in self.DIMS:
            raise ValueError(f"{name} in {dims}D: it is defined in {self.DIMS}. Choose of these")
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Tensor) and value.shape != (batch,):
                raise ValueError(
                    f"{name}.{entry.name} of shape {tuple(value.shape)}: a coefficient is a number "
                    f"or one a sample, ({batch},). Draw it with drawn(generator, {batch})"
                )


@dataclass(frozen=True, eq=False, kw_only=True)
class Semilinear(Equation):
    """`du/dt = L u + N(u)` with L diagonal in Fourier space and N pointwise in space."""

    DEGREE: ClassVar[int] = 2
    """Of N as a polynomial, which sets the de-aliasing: 2 keeps 2/3 of the modes, 3 keeps 1/2."""

    def linear(self, grid: Grid) -> Tensor:
        """L, broadcasts to (batch, channel, *modes); float64, or complex128 for odd orders; 1/T.

        Here the sum of the linear terms that `PARAMETERS` names.
        """
        parts = [
            part.term.sign * symbol_scale(getattr(self, name), grid) * _derivatives(part.term, grid)
            for name, part in self.PARAMETERS.items()
            if part.term is not None and part.term.kind == "linear"
        ]
        return sum(parts, start=torch.zeros((), dtype=torch.float64, device=grid.device))

    @abstractmethod
    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """N for this grid; None for a linear equation."""

    @final
    def stepper(self, grid: Grid, dt: float, order: int) -> Step:
        """Build the step, by ETDRK2 or ETDRK4; see `Equation.stepper`.

        Raises:
            ValueError: another order, or a grid so coarse that modes which N does not reach grow.
        """
        if order not in SCHEMES:
            raise ValueError(f"order={order}: the schemes are of order {sorted(SCHEMES)}. Use one")
        linear, nonlinear = self.linear(grid), self.nonlinear(grid)
        if nonlinear is None:
            return exact(linear, dt, grid.dtype)
        growth = linear.real if linear.is_complex() else linear
        if bool(((growth > 0) & (grid.resolved(self.DEGREE) == 0)).any()):
            raise ValueError(
                f"{type(self).__name__} with n_points={grid.n_points}, length={grid.length}: modes "
                "beyond the de-aliasing limit grow, and no nonlinear term would hold them. "
                "Raise n_points or shrink length"
            )
        return SCHEMES[order](linear, nonlinear, dt, grid.dtype)


def _derivatives(term: Term, grid: Grid) -> Tensor | float:
    """The symbol of `sum_i d^order / dx_i^order`; of order 0 that of the field itself."""
    return grid.sum_of_derivatives(term.order) if term.order else 1.0


def symbol_scale(value: Coefficient, grid: Grid) -> Tensor:
    """A coefficient for symbols: float64, (1 or batch, 1, ...) that broadcasts to the spectrum."""
    tensor = torch.as_tensor(value, dtype=torch.float64, device=grid.device)
    return tensor.reshape(-1, *[1] * (grid.dims + 1))


def field_scale(value: Coefficient, grid: Grid) -> Tensor:
    """A coefficient for fields: of their dtype, (1 or batch, 1, ...)."""
    return symbol_scale(value, grid).to(grid.dtype)
