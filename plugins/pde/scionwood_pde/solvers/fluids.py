"""Incompressible flow in terms of velocity: Navier-Stokes, decaying or with Kolmogorov forcing.

Leray's projection replaces the pressure: `-grad p` removes the divergence, and the density is 1.
States must be free of divergence, as `DivergenceFree` draws them; a step preserves this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import pi
from typing import ClassVar, final

import torch
from torch import Tensor

from scionwood_pde.solvers.equation import (
    Coefficient,
    Parameter,
    Semilinear,
    field_scale,
    symbol_scale,
)
from scionwood_pde.solvers.etd import Nonlinear
from scionwood_pde.solvers.initial import DivergenceFree, InitialCondition
from scionwood_pde.solvers.nonlinear import rotational
from scionwood_pde.solvers.spectral import Grid


@dataclass(frozen=True, eq=False, kw_only=True)
class Incompressible(Semilinear):
    """The equation `du/dt + (u . grad) u = -grad p + nu laplace u - a u + f` in 2D or 3D.

    The velocity satisfies `div u = 0`.

    Args:
        viscosity: nu, the kinematic viscosity, L^2/T.
        drag: a, 1/T, such as the friction between a fluid film and the ground.
    """

    DIMS: ClassVar[tuple[int, ...]] = (2, 3)
    length: float = 2 * pi
    initial: InitialCondition = field(default_factory=DivergenceFree)
    viscosity: Coefficient = 1e-2
    drag: Coefficient = 0.0

    @final
    def channels(self, dims: int) -> tuple[str, ...]:
        """Return the components of velocity, `u_x` and so on, L/T."""
        return tuple(f"u_{axis}" for axis in "xyz"[:dims])

    @final
    def unit(self, channel: str) -> str:
        """See `Equation.unit`."""
        return "L/T"

    @final
    def own_speed(self, state: Tensor) -> Tensor:
        """See `Equation.own_speed`."""
        return state.abs().flatten(1).amax(1)

    @final
    def linear(self, grid: Grid) -> Tensor:
        """See `Semilinear.linear`."""
        viscous = symbol_scale(self.viscosity, grid) * grid.sum_of_derivatives(2)
        return viscous - symbol_scale(self.drag, grid)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class NavierStokes(Incompressible):
    """Decaying flow, f = 0, whose energy obeys `dE/dt = -2 nu Z - 2 a E`, Z = <omega^2>/2."""

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "viscosity": Parameter(5e-3, 5e-2, "L^2/T", logarithmic=True),
    }
    INTERVAL: ClassVar[float] = 0.1

    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """See `Semilinear.nonlinear`."""
        return rotational(grid)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class KolmogorovFlow(Incompressible):
    """Flow with the forcing `f = A sin(2 pi n y / L) e_x`.

    The laminar solution is `u = f / (nu k^2 + a)`.

    Args:
        forcing: A, L/T^2.
        forcing_mode: n, number of waves of the forcing along y.

    Source: Meshalkin and Sinai, 1961, J. Appl. Math. Mech. 25, 1700.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "viscosity": Parameter(5e-3, 5e-2, "L^2/T", logarithmic=True),
        "forcing": Parameter(0.5, 1.5, "L/T^2"),
    }
    INTERVAL: ClassVar[float] = 0.1
    drag: Coefficient = 0.1
    forcing: Coefficient = 1.0
    forcing_mode: int = 4

    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """See `Semilinear.nonlinear`.

        Raises:
            ValueError: the forcing lies beyond the de-aliasing limit of the grid.
        """
        push = self._spectrum(grid)
        # A forcing that de-aliasing removes would leave a flow without any, and without a message.
        if not bool((push * grid.resolved(self.DEGREE)).abs().any()):
            raise ValueError(
                f"forcing_mode={self.forcing_mode} with n_points={grid.n_points}: it lies beyond "
                "the de-aliasing limit. Raise n_points or lower forcing_mode"
            )
        convection = rotational(grid)
        # The forcing is constant and so belongs to N; ETD integrates a constant N exactly.
        return lambda u: convection(u) + push

    def _spectrum(self, grid: Grid) -> Tensor:
        """Return the spectrum of f, (1 or batch, dims, *modes): -i/2 at mode n of y, i/2 at -n."""
        x, y, *z = grid.modes
        # sin(k y) = (exp(i k y) - exp(-i k y)) / 2i. In 2D the last axis is y, and `rfftn` stores
        # only its modes from 0 on, so that only -i/2 occurs.
        alone = (y.abs() == self.forcing_mode) & (x == 0)
        for mode in z:
            alone = alone & (mode == 0)
        wave = field_scale(self.forcing, grid) * (-0.5j * y.sign() * alone)
        still = torch.zeros_like(wave).expand(-1, grid.dims - 1, *wave.shape[2:])
        return torch.cat([wave, still], dim=1).to(grid.dtype.to_complex())
