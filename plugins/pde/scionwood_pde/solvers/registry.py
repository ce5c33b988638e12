"""All equations by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from math import isfinite
from typing import Any

import torch

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


def drawn_equation(
    name: str, generator: torch.Generator, batch: int, parameters: Mapping[str, float]
) -> Equation:
    """Return an equation whose parameters are given, or else drawn for each sample.

    Args:
        name: name of the equation.
        generator: source of the random numbers.
        batch: number of samples.
        parameters: the parameters that are given.

    Raises:
        ValueError: no equation has this name, or a parameter is refused; see `check_parameters`.
    """
    check_parameters(name, parameters)
    fixed_parameters: dict[str, Any] = dict(parameters)
    return replace(equation_class(name)().drawn(generator, batch), **fixed_parameters)


def check_parameters(name: str, parameters: Mapping[str, float]) -> None:
    """Check the parameters of an equation that a user gives.

    Raises:
        ValueError: no equation has this name, it has no such parameter, or the value is not finite
            or is a negative viscosity or diffusivity.
    """
    equation = equation_class(name)()
    parameter_names = sorted(f.name for f in fields(equation) if isinstance(f.default, float | int))
    unknown = [key for key in parameters if key not in parameter_names]
    if unknown:
        raise ValueError(
            f"parameter {unknown[0]!r}: {name} has {', '.join(parameter_names)}. Correct the name"
        )
    for key, value in parameters.items():
        # The fourth order damps short waves too.
        damps = "viscosity" in key or "diffusivity" in key or key == "fourth_order"
        if not isfinite(value) or (value < 0 and damps):
            raise ValueError(
                f"parameter {key} of {value:g}: it is finite, and a viscosity, diffusivity or "
                "fourth order is not negative. Raise it"
            )
        if key == "length" and value <= 0:
            raise ValueError(f"parameter length of {value:g}: a box has a positive length")
