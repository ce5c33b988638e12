"""Linear equations, whose steps are exact: advection, diffusion, dispersion, waves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from torch import Tensor

from scionwood_pde.solvers.equation import (
    Coefficient,
    Equation,
    Parameter,
    Semilinear,
    Term,
    symbol_scale,
)
from scionwood_pde.solvers.etd import Nonlinear, Step
from scionwood_pde.solvers.initial import AtRest, InitialCondition
from scionwood_pde.solvers.spectral import Grid


@dataclass(frozen=True, eq=False, kw_only=True)
class Linear(Semilinear):
    """A linear equation `du/dt = L u` for one scalar field."""

    def channels(self, dims: int) -> tuple[str, ...]:
        """Return the name of the scalar, `u`."""
        return ("u",)

    @final
    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """Return `None`, since there is no nonlinear term."""
        return None


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Advection(Linear):
    """Advection, `du/dt + c (1, .., 1) . grad u = 0`, at speed c along each axis.

    Args:
        speed: c, L/T.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "speed": Parameter(0.5, 2.0, "L/T", term=Term("linear", 1, -1)),
    }
    INTERVAL: ClassVar[float] = 0.02
    speed: Coefficient = 1.0


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Diffusion(Linear):
    """Diffusion, `du/dt = nu laplace u`.

    Args:
        diffusivity: nu, L^2/T.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "diffusivity": Parameter(1e-3, 1e-2, "L^2/T", logarithmic=True, term=Term("linear", 2, 1)),
    }
    INTERVAL: ClassVar[float] = 0.05
    diffusivity: Coefficient = 3e-3


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class AdvectionDiffusion(Linear):
    """Advection and diffusion, `du/dt + c (1, .., 1) . grad u = nu laplace u`.

    Args:
        speed: c, L/T.
        diffusivity: nu, L^2/T.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "speed": Advection.PARAMETERS["speed"],
        "diffusivity": Diffusion.PARAMETERS["diffusivity"],
    }
    INTERVAL: ClassVar[float] = 0.02
    speed: Coefficient = 1.0
    diffusivity: Coefficient = 3e-3


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Dispersion(Linear):
    """Dispersion, `du/dt = xi sum_i d^3 u / dx_i^3`.

    Waves move against the axes, and short waves move faster than long ones.

    Args:
        dispersivity: xi, L^3/T.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "dispersivity": Parameter(3e-5, 3e-4, "L^3/T", logarithmic=True, term=Term("linear", 3, 1)),
    }
    INTERVAL: ClassVar[float] = 0.05
    dispersivity: Coefficient = 1e-4


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class HyperDiffusion(Linear):
    """Hyperdiffusion, `du/dt = -mu sum_i d^4 u / dx_i^4`, or `-mu laplace^2 u` if `biharmonic`.

    Args:
        hyper_diffusivity: mu, L^4/T.
        biharmonic: use the isotropic operator; APEBench and exponax use the sum.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "hyper_diffusivity": Parameter(
            3e-7, 3e-6, "L^4/T", logarithmic=True, term=Term("linear", 4, -1)
        ),
    }
    INTERVAL: ClassVar[float] = 0.05
    hyper_diffusivity: Coefficient = 1e-6
    biharmonic: bool = False

    def linear(self, grid: Grid) -> Tensor:
        """See `Semilinear.linear`."""
        return -symbol_scale(self.hyper_diffusivity, grid) * fourth_order(grid, self.biharmonic)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Wave(Equation):
    """The wave equation, `d^2 h / dt^2 = c^2 laplace h`, with the channels `h` and `v = dh/dt`.

    In a step, each mode rotates by the angle `omega dt`, `omega = c |k|`:
    `h' = h cos + v dt sinc`, `v' = v cos - h omega sin`; at k = 0 this is `h' = h + v dt`.

    Args:
        speed: c, L/T.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"speed": Parameter(0.5, 2.0, "L/T")}
    INTERVAL: ClassVar[float] = 0.02
    initial: InitialCondition = field(default_factory=AtRest)
    speed: Coefficient = 1.0

    def channels(self, dims: int) -> tuple[str, ...]:
        """Return the names `h`, in U, and `v`, in U/T."""
        return ("h", "v")

    def unit(self, channel: str) -> str:
        """See `Equation.unit`."""
        return "U/T" if channel == "v" else "U"

    def stepper(self, grid: Grid, dt: float, order: int) -> Step:
        """See `Equation.stepper`."""
        omega = symbol_scale(self.speed, grid)[:, 0] * grid.squared_wavenumber.sqrt()
        angle = omega * dt
        # Rounded last: for large angles float32 would lose the phase.
        cosine, sine = angle.cos().to(grid.dtype), (omega * angle.sin()).to(grid.dtype)
        # torch's sinc is sin(pi x) / (pi x); it is 1 at k = 0, where h grows by v dt.
        mean = (dt * torch.sinc(angle / torch.pi)).to(grid.dtype)

        def step(u: Tensor) -> Tensor:
            h, v = u[:, 0], u[:, 1]
            return torch.stack([cosine * h + mean * v, cosine * v - sine * h], dim=1)

        return step


def fourth_order(grid: Grid, biharmonic: bool) -> Tensor:
    """Return the symbol of `laplace^2` if `biharmonic`, or of `sum_i d^4 / dx_i^4`, float64."""
    return grid.squared_wavenumber**2 if biharmonic else grid.sum_of_derivatives(4)
