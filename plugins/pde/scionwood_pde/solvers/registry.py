"""All equations by name."""

from __future__ import annotations

from collections.abc import Mapping

from scionwood_pde.solvers.convection import (
    Burgers,
    KortewegDeVries,
    KuramotoSivashinsky,
    KuramotoSivashinskyConservative,
)
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.fluids import KolmogorovFlow, NavierStokes
from scionwood_pde.solvers.linear import (
    Advection,
    AdvectionDiffusion,
    Diffusion,
    Dispersion,
    HyperDiffusion,
    Wave,
)
from scionwood_pde.solvers.reaction import AllenCahn, FisherKPP, GrayScott, SwiftHohenberg

EQUATIONS: Mapping[str, type[Equation]] = {
    "advection": Advection,
    "diffusion": Diffusion,
    "advection_diffusion": AdvectionDiffusion,
    "dispersion": Dispersion,
    "hyper_diffusion": HyperDiffusion,
    "wave": Wave,
    "burgers": Burgers,
    "kuramoto_sivashinsky": KuramotoSivashinsky,
    "kuramoto_sivashinsky_conservative": KuramotoSivashinskyConservative,
    "korteweg_de_vries": KortewegDeVries,
    "navier_stokes": NavierStokes,
    "kolmogorov_flow": KolmogorovFlow,
    "fisher_kpp": FisherKPP,
    "allen_cahn": AllenCahn,
    "swift_hohenberg": SwiftHohenberg,
    "gray_scott": GrayScott,
}
"""Classes of equations by name; `PARAMETERS` of a class has the ranges of its parameters."""


def equation_name(equation: Equation) -> str:
    """Return the name of an equation, or that of its class if it has none."""
    names = {kind: name for name, kind in EQUATIONS.items()}
    return names.get(type(equation), type(equation).__name__)


def equation_class(name: str) -> type[Equation]:
    """Return the class of an equation.

    Raises:
        ValueError: no equation has this name.
    """
    if name not in EQUATIONS:
        raise ValueError(f"{name!r}: no equation has this name. Choose one of {sorted(EQUATIONS)}")
    return EQUATIONS[name]
