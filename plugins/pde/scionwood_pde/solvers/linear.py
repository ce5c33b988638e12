"""Linear equations, which are stepped exactly: advection, diffusion, dispersion, waves."""

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
    """`du/dt = L u` for one scalar field."""

    def channels(self, dims: int) -> tuple[str, ...]:
        """One scalar, `u`."""
        return ("u",)

    @final
    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """None."""
        return None


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class Advection(Linear):
    """`du/dt + c (1, .., 1) . grad u = 0`: the state moves by c along every axis.

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
    """`du/dt = nu laplace u`.

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
    """`du/dt + c (1, .., 1) . grad u = nu laplace u`.

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
    """`du/dt = xi sum_i d^3 u / dx_i^3`: short waves outrun long ones, against the axes.

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
    """`du/dt = -mu sum_i d^4 u / dx_i^4`, or `-mu laplace^2 u` where `biharmonic`.

    Args:
        hyper_diffusivity: mu, L^4/T.
        biharmonic: the isotropic operator; APEBench and exponax take the other one.
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
    """`d^2 h / dt^2 = c^2 laplace h`, as the two channels `h` and its rate `v = dh/dt`.

    Every mode turns by the angle `omega dt`, `omega = c |k|`:
    `h' = h cos + v dt sinc`, `v' = v cos - h omega sin`; at k = 0 this is `h' = h + v dt`.

    Args:
        speed: c, L/T.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {"speed": Parameter(0.5, 2.0, "L/T")}
    INTERVAL: ClassVar[float] = 0.02
    initial: InitialCondition = field(default_factory=AtRest)
    speed: Coefficient = 1.0

    def channels(self, dims: int) -> tuple[str, ...]:
        """`h`, in U, and `v`, in U/T."""
        return ("h", "v")

    def stepper(self, grid: Grid, dt: float, order: int) -> Step:
        """See `Equation.stepper`."""
        omega = symbol_scale(self.speed, grid)[:, 0] * grid.squared_wavenumber.sqrt()
        angle = omega * dt
        cosine, sine = angle.cos().to(grid.dtype), (omega * angle.sin()).to(grid.dtype)
        mean = (dt * torch.sinc(angle / torch.pi)).to(grid.dtype)

        def step(u: Tensor) -> Tensor:
            h, v = u[:, 0], u[:, 1]
            return torch.stack([cosine * h + mean * v, cosine * v - sine * h], dim=1)

        return step


def fourth_order(grid: Grid, biharmonic: bool) -> Tensor:
    """The symbol of `laplace^2` where `biharmonic`, else of `sum_i d^4 / dx_i^4`; float64."""
    return grid.squared_wavenumber**2 if biharmonic else grid.sum_of_derivatives(4)
