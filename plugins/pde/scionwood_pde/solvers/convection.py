"""Convective equations: Burgers, Kuramoto-Sivashinsky, Korteweg-de Vries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from scionwood_pde.solvers import nonlinear
from scionwood_pde.solvers.equation import (
    Coefficient,
    Parameter,
    Semilinear,
    Term,
    field_scale,
    symbol_scale,
)
from scionwood_pde.solvers.etd import Nonlinear
from scionwood_pde.solvers.linear import fourth_order
from scionwood_pde.solvers.spectral import Grid

_FORMS: Mapping[str, Callable[[Grid, Tensor], Nonlinear]] = {
    "advective": nonlinear.advective,
    "conservative": nonlinear.conservative,
    "scalar": nonlinear.scalar_flux,
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Convective(Semilinear):
    """An equation with a convective term.

    Args:
        convection: b, the factor of the term.
        form: `advective`, `-b (u . grad) u`, for a vector with as many channels as dimensions;
            `conservative`, `-b/2 div(u (x) u)`, which conserves the mean; or `scalar`,
            `-b/2 sum_i d(u^2)/dx_i`, for one channel. In 1D the three are equal.
    """

    convection: Coefficient = 1.0
    form: Literal["advective", "conservative", "scalar"] = "advective"

    @final
    def channels(self, dims: int) -> tuple[str, ...]:
        """Return the components of a vector, `u_x` and so on, or `u`."""
        if dims == 1 or self.form == "scalar":
            return ("u",)
        return tuple(f"u_{axis}" for axis in "xyz"[:dims])

    @final
    def own_speed(self, state: Tensor) -> Tensor:
        """See `Equation.own_speed`."""
        factor = torch.as_tensor(self.convection, dtype=state.dtype, device=state.device)
        # The term b (u . grad) u carries u at the speed b u.
        return factor.abs() * state.abs().flatten(1).amax(1)

    @final
    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """See `Semilinear.nonlinear`.

        Raises:
            ValueError: the form is unknown.
        """
        if self.form not in _FORMS:
            raise ValueError(f"form={self.form!r}: the form is unknown. Use one of {[*_FORMS]}")
        return _FORMS[self.form](grid, field_scale(self.convection, grid))


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Burgers(Convective):
    """Burgers' equation, `du/dt + b (u . grad) u = nu laplace u`.

    Args:
        diffusivity: nu, L^2/T.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "diffusivity": Parameter(5e-3, 2e-2, "L^2/T", logarithmic=True, term=Term("linear", 2, 1)),
        "convection": Parameter(0.5, 1.5, "L/TU", term=Term("convection", 1, -1)),
    }
    INTERVAL: ClassVar[float] = 0.02
    diffusivity: Coefficient = 1e-2


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class KuramotoSivashinsky(Semilinear):
    """The Kuramoto-Sivashinsky equation in its combustion form, for a scalar in any dimension.

    `du/dt + b/2 (|grad u|^2 - mean) + p laplace u + q sum_i d^4 u / dx_i^4 = 0`

    The mean of the squared gradient is subtracted, so that the mean of u is constant. TorchFSM uses
    the biharmonic operator, exponax the sum. Modes below `k = sqrt(p / q)` grow; there are
    `n = L k / 2 pi` of them along each axis. In 3D, runs with fewer than 8 n points along each axis
    blow up (measured): the short waves cannot dissipate the energy that the long waves gain.

    Args:
        gradient_norm: b, L^2/TU.
        second_order: p, L^2/T, which makes long waves grow.
        fourth_order: q, L^4/T, which makes short waves decay.
        biharmonic: use the isotropic operator `q laplace^2 u` instead of the sum.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "gradient_norm": Parameter(0.8, 1.2, "L^2/TU", term=Term("gradient_norm", 2, -1)),
        "second_order": Parameter(0.8, 1.0, "L^2/T", term=Term("linear", 2, -1)),
        "fourth_order": Parameter(1.0, 1.2, "L^4/T", term=Term("linear", 4, -1)),
    }
    INTERVAL: ClassVar[float] = 0.2
    length: float = 12.0
    gradient_norm: Coefficient = 1.0
    second_order: Coefficient = 1.0
    fourth_order: Coefficient = 1.0
    biharmonic: bool = False

    def channels(self, dims: int) -> tuple[str, ...]:
        """Return the name of the scalar, `u`."""
        return ("u",)

    def linear(self, grid: Grid) -> Tensor:
        """See `Semilinear.linear`."""
        # The symbol of the second derivative is -k^2, so that -p times it grows like p k^2.
        growth = symbol_scale(self.second_order, grid) * grid.sum_of_derivatives(2)
        decay = symbol_scale(self.fourth_order, grid) * fourth_order(grid, self.biharmonic)
        return -growth - decay

    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """See `Semilinear.nonlinear`."""
        return nonlinear.gradient_norm(grid, field_scale(self.gradient_norm, grid))


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class KuramotoSivashinskyConservative(Convective):
    """The Kuramoto-Sivashinsky equation in its conservative form, for the slope of the other form.

    `du/dt + b (u . grad) u + p laplace u + q d^4 u / dx^4 = 0`

    It is defined only in one dimension, as in APEBench; use the combustion form in others.

    Args:
        second_order: p, L^2/T.
        fourth_order: q, L^4/T.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "convection": Parameter(0.8, 1.2, "L/TU", term=Term("convection", 1, -1)),
        "second_order": KuramotoSivashinsky.PARAMETERS["second_order"],
        "fourth_order": KuramotoSivashinsky.PARAMETERS["fourth_order"],
    }
    DIMS: ClassVar[tuple[int, ...]] = (1,)
    INTERVAL: ClassVar[float] = 0.2
    length: float = 22.0
    form: Literal["advective", "conservative", "scalar"] = "conservative"
    second_order: Coefficient = 1.0
    fourth_order: Coefficient = 1.0


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class KortewegDeVries(Convective):
    """The Korteweg-de Vries equation with an optional damping of short waves.

    `du/dt + b (u . grad) u + a sum_i d^3 u / dx_i^3 + mu sum_i d^4 u / dx_i^4 = 0`

    With b = 6, a = 1 and mu = 0 in 1D, this is the textbook equation. The solver differs from
    exponax 0.2.0, which drops the imaginary part of the coefficients of N and therefore converges
    only at first order.

    Args:
        dispersivity: a, L^3/T.
        hyper_diffusivity: mu, L^4/T, which damps waves that a coarse grid cannot resolve.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "convection": Parameter(3.0, 6.0, "L/TU", term=Term("convection", 1, -1)),
        "dispersivity": Parameter(0.5, 1.5, "L^3/T", term=Term("linear", 3, -1)),
        "hyper_diffusivity": Parameter(
            5e-3, 5e-2, "L^4/T", logarithmic=True, term=Term("linear", 4, -1)
        ),
    }
    INTERVAL: ClassVar[float] = 0.05
    length: float = 20.0
    convection: Coefficient = 6.0
    dispersivity: Coefficient = 1.0
    hyper_diffusivity: Coefficient = 1e-2
