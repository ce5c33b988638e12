"""Reaction and diffusion equations: Fisher-KPP, Allen-Cahn, Swift-Hohenberg, Gray-Scott."""

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
    Term,
    field_scale,
    symbol_scale,
)
from scionwood_pde.solvers.etd import Nonlinear
from scionwood_pde.solvers.initial import (
    ComplementConcentrations,
    InitialCondition,
    TruncatedFourier,
)
from scionwood_pde.solvers.nonlinear import pointwise
from scionwood_pde.solvers.spectral import Grid


@dataclass(frozen=True, eq=False, kw_only=True)
class OneSubstance(Semilinear):
    """A reaction equation for one scalar field."""

    @final
    def channels(self, dims: int) -> tuple[str, ...]:
        """Return the name of the scalar, `u`."""
        return ("u",)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class FisherKPP(OneSubstance):
    """A population that spreads up to its limit 1: `du/dt = nu laplace u + r u (1 - u)`.

    Args:
        diffusivity: nu, L^2/T.
        reactivity: r, 1/T.

    Source: Fisher, 1937, Annals of Eugenics 7, 355.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "diffusivity": Parameter(2e-3, 1e-2, "L^2/T", logarithmic=True, term=Term("linear", 2, 1)),
        "reactivity": Parameter(0.5, 1.5, "1/T", term=Term("linear", 0, 1)),
    }
    INTERVAL: ClassVar[float] = 0.1
    initial: InitialCondition = field(default_factory=lambda: TruncatedFourier(scaling="range"))
    diffusivity: Coefficient = 5e-3
    reactivity: Coefficient = 1.0

    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """See `Semilinear.nonlinear`."""
        rate = field_scale(self.reactivity, grid)
        # r u is in the linear part, which the scheme integrates exactly.
        return pointwise(grid, self.DEGREE, lambda u: -rate * u**2)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class AllenCahn(OneSubstance):
    """Two phases, -1 and 1, that separate and coarsen: `du/dt = nu laplace u + r (u - u^3)`.

    Args:
        diffusivity: nu, L^2/T.
        reactivity: r, 1/T.

    Source: Allen and Cahn, 1979, Acta Metallurgica 27, 1085.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "diffusivity": Parameter(2.5e-3, 1e-2, "L^2/T", logarithmic=True),
        "reactivity": Parameter(0.5, 1.5, "1/T"),
    }
    DEGREE: ClassVar[int] = 3
    INTERVAL: ClassVar[float] = 0.1
    diffusivity: Coefficient = 5e-3
    reactivity: Coefficient = 1.0

    def linear(self, grid: Grid) -> Tensor:
        """See `Semilinear.linear`."""
        spread = symbol_scale(self.diffusivity, grid) * grid.sum_of_derivatives(2)
        return spread + symbol_scale(self.reactivity, grid)

    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """See `Semilinear.nonlinear`."""
        rate = field_scale(self.reactivity, grid)
        return pointwise(grid, self.DEGREE, lambda u: -rate * u**3)


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class SwiftHohenberg(OneSubstance):
    """Patterns of wavenumber q: `du/dt = r u - (q^2 + laplace)^2 u + g u^2 - u^3`.

    The operator is isotropic. The box holds `length q / 2 pi` waves.

    Args:
        reactivity: r, 1/T.
        quadratic: g, 1/TU, which favours spots over stripes.
        critical_wavenumber: q, 1/L.

    Source: Swift and Hohenberg, 1977, Phys. Rev. A 15, 319.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "reactivity": Parameter(0.1, 0.5, "1/T"),
        "quadratic": Parameter(0.0, 1.0, "1/TU"),
    }
    DEGREE: ClassVar[int] = 3
    INTERVAL: ClassVar[float] = 0.5
    length: float = 6 * pi
    reactivity: Coefficient = 0.4
    quadratic: Coefficient = 0.5
    critical_wavenumber: float = 1.0

    def linear(self, grid: Grid) -> Tensor:
        """See `Semilinear.linear`."""
        # (q^2 + laplace)^2 has the symbol (q^2 - k^2)^2: only waves near q are not damped.
        detuning = self.critical_wavenumber**2 - grid.squared_wavenumber
        return symbol_scale(self.reactivity, grid) - detuning**2

    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """See `Semilinear.nonlinear`."""
        spots = field_scale(self.quadratic, grid)
        return pointwise(grid, self.DEGREE, lambda u: u**2 * (spots - u))


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class GrayScott(Semilinear):
    """The Gray-Scott reaction of a substrate u and a catalyst v.

    `du/dt = D_u laplace u - u v^2 + F (1 - u)`, `dv/dt = D_v laplace v + u v^2 - (F + K) v`

    The substrate is fed, and the catalyst is removed. Concentrations have no unit, and rates have
    the unit 1/T.

    Args:
        diffusivity_u: D_u, L^2/T.
        diffusivity_v: D_v, L^2/T.
        feed: F, 1/T.
        kill: K, 1/T.

    Source: Pearson, 1993, Science 261, 189.
    """

    PARAMETERS: ClassVar[Mapping[str, Parameter]] = {
        "feed": Parameter(0.02, 0.05, "1/T"),
        "kill": Parameter(0.055, 0.062, "1/T"),
    }
    DEGREE: ClassVar[int] = 3
    INTERVAL: ClassVar[float] = 5.0
    initial: InitialCondition = field(default_factory=ComplementConcentrations)
    diffusivity_u: Coefficient = 2e-4
    diffusivity_v: Coefficient = 1e-4
    feed: Coefficient = 0.035
    kill: Coefficient = 0.06

    def channels(self, dims: int) -> tuple[str, ...]:
        """Return the names of the concentrations: substrate `u` and catalyst `v`."""
        return ("u", "v")

    def linear(self, grid: Grid) -> Tensor:
        """See `Semilinear.linear`."""
        u, v = (symbol_scale(d, grid) for d in (self.diffusivity_u, self.diffusivity_v))
        batch = max(len(u), len(v))
        # One of the two may differ from sample to sample, and the other not.
        both = [d.expand(batch, *d.shape[1:]) for d in (u, v)]
        return torch.cat(both, dim=1) * grid.sum_of_derivatives(2)

    def nonlinear(self, grid: Grid) -> Nonlinear | None:
        """See `Semilinear.nonlinear`."""
        feed, removal = field_scale(self.feed, grid), field_scale(self.kill, grid)
        removal = removal + feed

        def react(fields: Tensor) -> Tensor:
            u, v = fields[:, :1], fields[:, 1:]
            rate = u * v**2
            return torch.cat([feed * (1 - u) - rate, rate - removal * v], dim=1)

        return pointwise(grid, self.DEGREE, react)
