"""APEBench's dimensionless coefficients and difficulties, and conversions in both directions.

With all terms on the right-hand side, the equation is
`du/dt = sum_j a_j sum_i d^j u/dx_i^j + b_1 (u . grad) u + b_2/2 |grad u|^2`.
In D dimensions, with N points along each axis, side L, step dt and M = max |u|:

- normalised: `alpha_j = a_j dt / L^j`, `beta_1 = b_1 dt / L`, `beta_2 = b_2 dt / L^2`;
- difficulty: `gamma_0 = alpha_0`, `gamma_j = alpha_j N^j 2^(j-1) D`, `delta_1 = beta_1 M N D`,
  `delta_2 = beta_2 M N^2 D`.

Problems of equal difficulty are equally hard for an explicit scheme on any grid. gamma_1 is the
Courant number, and `|gamma_2| <= 1` is the stability limit of explicit diffusion.

Source: Koehler, Niedermayr, Westermann, Thuerey, APEBench, NeurIPS 2024, arXiv 2411.00180.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from scionwood_pde.solvers.equation import Coefficient, Equation, Term
from scionwood_pde.solvers.registry import equation_class

APEBENCH: Mapping[str, Mapping[str, float]] = {
    "advection": {"speed": -4.0},
    "diffusion": {"diffusivity": 4.0},
    "advection_diffusion": {"speed": -4.0, "diffusivity": 4.0},
    "dispersion": {"dispersivity": 4.0},
    "hyper_diffusion": {"hyper_diffusivity": -4.0},
    "burgers": {"diffusivity": 1.5, "convection": -1.5},
    "kuramoto_sivashinsky": {"second_order": -1.2, "fourth_order": -15.0, "gradient_norm": -6.0},
    "kuramoto_sivashinsky_conservative": {
        "second_order": -2.0,
        "fourth_order": -18.0,
        "convection": -1.0,
    },
    "korteweg_de_vries": {"convection": -2.0, "dispersivity": -14.0, "hyper_diffusivity": -9.0},
    "fisher_kpp": {"diffusivity": 0.2, "reactivity": 0.02},
}
"""APEBench's default difficulties (version 0.1.1) by equation and parameter.

There the convective equations have `form="conservative"`, and Korteweg-de Vries has `"scalar"`. The
reactivity of Fisher-KPP stands for both its drag of 0.02 and its quadratic term of -0.02.
"""


@final
@dataclass(frozen=True)
class Resolution:
    """The resolution to which a difficulty refers.

    Args:
        n_points: N, grid points along each axis.
        dims: D, number of space dimensions.
        dt: time between frames, T.
        length: L, side of the box.
        maximum: M, largest |u| of the initial states.
    """

    n_points: int
    dims: int
    dt: float
    length: float = 1.0
    maximum: float = 1.0

    def normalised(self, term: Term) -> float:
        """Return the factor from a physical coefficient to the normalised one."""
        return term.sign * self.dt / self.length**term.order

    def difficulty(self, term: Term) -> float:
        """Return the factor from a physical coefficient to the difficulty."""
        # A term without derivatives is as hard on any grid: gamma_0 = alpha_0.
        if term.order == 0:
            return self.normalised(term)
        hardness = float(self.n_points**term.order * self.dims)
        if term.kind == "linear":
            # gamma_j = alpha_j N^j 2^(j-1) D; terms that are products have M = max |u| instead of
            # the power of 2.
            hardness *= 2 ** (term.order - 1)
        else:
            hardness *= self.maximum
        return self.normalised(term) * hardness


def from_difficulties(
    name: str, resolution: Resolution, difficulties: Mapping[str, float] | None = None
) -> Equation:
    """Return the equation with given difficulties at a resolution.

    Args:
        name: a name of `EQUATIONS`.
        resolution: the grid, the time step and the size of the states.
        difficulties: gamma or delta by parameter. `None` means `APEBENCH[name]`.

    Returns:
        The equation on a box of side `resolution.length`; other options have their defaults.

    Raises:
        ValueError: the name is unknown, or a parameter does not occur in APEBench's form.
    """
    if difficulties is None and name not in APEBENCH:
        raise ValueError(
            f"{name!r}: APEBench has difficulties for {sorted(APEBENCH)}. Give difficulties, or "
            "physical parameters"
        )
    target_values = APEBENCH[name] if difficulties is None else difficulties
    return _built(name, resolution.length, target_values, resolution.difficulty)


def from_normalised(
    name: str, resolution: Resolution, coefficients: Mapping[str, float]
) -> Equation:
    """Return the equation with given normalised coefficients; see `from_difficulties`.

    Args:
        name: a name of `EQUATIONS`.
        resolution: the coefficients refer to its `dt` and `length`.
        coefficients: alpha or beta by parameter.

    Raises:
        ValueError: the name is unknown, or a parameter does not occur in APEBench's form.
    """
    return _built(name, resolution.length, coefficients, resolution.normalised)


def difficulties(equation: Equation, resolution: Resolution) -> dict[str, Coefficient]:
    """Return the difficulties of an equation by parameter: gamma_j, delta_1, delta_2.

    Args:
        equation: an equation whose parameters are numbers or tensors (batch,).
        resolution: the resolution of its simulation.
    """
    return _scaled(equation, resolution.difficulty)


def normalised(equation: Equation, resolution: Resolution) -> dict[str, Coefficient]:
    """Return the normalised coefficients of an equation by parameter: alpha_j, beta_1, beta_2.

    Args:
        equation: an equation whose parameters are numbers or tensors (batch,).
        resolution: the resolution of its simulation.
    """
    return _scaled(equation, resolution.normalised)


def _scaled(equation: Equation, factor: Callable[[Term], float]) -> dict[str, Coefficient]:
    """Return the parameters of an equation that have a term, each times the factor of its term."""
    terms = _terms(type(equation))
    return {key: getattr(equation, key) * factor(term) for key, term in terms.items()}


def _terms(kind: type[Equation]) -> dict[str, Term]:
    return {key: p.term for key, p in kind.PARAMETERS.items() if p.term is not None}


def _built(
    name: str, length: float, target_values: Mapping[str, float], factor: Callable[[Term], float]
) -> Equation:
    """Return the equation whose physical coefficients times their factors have given values."""
    kind = equation_class(name)
    terms = _terms(kind)
    values: dict[str, Any] = {}
    for key, value in target_values.items():
        if key not in terms:
            raise ValueError(
                f"{key!r} of {kind.__name__}: it has no difficulty. Use one of {[*terms]}"
            )
        # All factors are linear in the coefficient, so one division converts back.
        values[key] = value / factor(terms[key])
    return kind(length=length, **values)
