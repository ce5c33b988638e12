"""APEBench's coefficients: free of units, and then of resolution, and back.

All terms on the right-hand side, `du/dt = sum_j a_j sum_i d^j u/dx_i^j + b_1 (u . grad) u +
b_2/2 |grad u|^2`. In D dimensions, with N points an axis, side L, step dt and M = max |u|:

- normalised: `alpha_j = a_j dt / L^j`, `beta_1 = b_1 dt / L`, `beta_2 = b_2 dt / L^2`;
- difficulty: `gamma_0 = alpha_0`, `gamma_j = alpha_j N^j 2^(j-1) D`, `delta_1 = beta_1 M N D`,
  `delta_2 = beta_2 M N^2 D`.

Equal difficulties are equally hard for an explicit scheme on any grid; gamma_1 is the Courant
number, `|gamma_2| <= 1` the limit of explicit diffusion.

Source: Koehler, Niedermayr, Westermann, Thuerey, APEBench, NeurIPS 2024, arXiv 2411.00180.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from torch import Tensor

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
"""APEBench's default difficulties (version 0.1.1), equation -> parameter -> value.

The convective ones are of `form="conservative"` there, `"scalar"` for Korteweg-de Vries; the
reactivity of Fisher-KPP is its drag of 0.02 and its quadratic term of -0.02 at once.
"""


@final
@dataclass(frozen=True)
class Resolution:
    """What a difficulty is relative to.

    Args:
        n_points: N, points an axis.
        dims: D, space dimensions.
        dt: between frames, T.
        length: L, side of the box.
        maximum: M, the largest |u| of the initial states.
    """

    n_points: int
    dims: int
    dt: float
    length: float = 1.0
    maximum: float = 1.0

    def normalised(self, term: Term) -> float:
        """The factor from a physical coefficient to the normalised one."""
        return term.sign * self.dt / self.length**term.order

    def difficulty(self, term: Term) -> float:
        """The factor from a physical coefficient to the difficulty."""
        if term.order == 0:
            return self.normalised(term)
        hardness = float(self.n_points**term.order * self.dims)
        if term.kind == "linear":
            hardness *= 2 ** (term.order - 1)
        else:
            hardness *= self.maximum
        return self.normalised(term) * hardness


def from_difficulties(
    name: str, resolution: Resolution, difficulties: Mapping[str, float] | None = None
) -> Equation:
    """The equation that has these difficulties at this resolution.

    Args:
        name: of `EQUATIONS`.
        resolution: the grid, the step and the size of the states.
        difficulties: parameter -> gamma or delta; None for APEBench's own, `APEBENCH[name]`.

    Returns:
        The equation, of side `resolution.length`; other fields are the defaults.

    Raises:
        ValueError: an unknown name, or a parameter that has no place in APEBench's form.
    """
    if difficulties is None and name not in APEBENCH:
        raise ValueError(
            f"{name!r}: APEBench's difficulties name {sorted(APEBENCH)}. Give difficulties, or "
            "physical parameters"
        )
    given = APEBENCH[name] if difficulties is None else difficulties
    return _built(name, resolution.length, given, resolution.difficulty)


def from_normalised(
    name: str, resolution: Resolution, coefficients: Mapping[str, float]
) -> Equation:
    """The equation that has these normalised coefficients; see `from_difficulties`.

    Args:
        name: of `EQUATIONS`.
        resolution: its `dt` and `length` are what the coefficients are relative to.
        coefficients: parameter -> alpha or beta.

    Raises:
        ValueError: an unknown name, or a parameter that has no place in APEBench's form.
    """
    return _built(name, resolution.length, coefficients, resolution.normalised)


def difficulties(equation: Equation, resolution: Resolution) -> dict[str, Coefficient]:
    """The difficulties of an equation, by parameter: gamma_j, delta_1, delta_2.

    Args:
        equation: with its parameters, a number or (batch,) each.
        resolution: as the equation is simulated.
    """
    return {
        key: _value(equation, key) * resolution.difficulty(term)
        for key, term in _terms(type(equation)).items()
    }


def normalised(equation: Equation, resolution: Resolution) -> dict[str, Coefficient]:
    """The normalised coefficients of an equation, by parameter: alpha_j, beta_1, beta_2.

    Args:
        equation: with its parameters, a number or (batch,) each.
        resolution: as the equation is simulated.
    """
    return {
        key: _value(equation, key) * resolution.normalised(term)
        for key, term in _terms(type(equation)).items()
    }


def _terms(kind: type[Equation]) -> dict[str, Term]:
    return {key: p.term for key, p in kind.PARAMETERS.items() if p.term is not None}


def _built(
    name: str, length: float, given: Mapping[str, float], factor: Callable[[Term], float]
) -> Equation:
    """The equation whose physical coefficients times their factors are those given."""
    kind = equation_class(name)
    terms = _terms(kind)
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in terms:
            raise ValueError(
                f"{key!r} of {kind.__name__}: it has no difficulty. Those that have: {[*terms]}"
            )
        values[key] = value / factor(terms[key])
    return kind(length=length, **values)


def _value(equation: Equation, key: str) -> Coefficient:
    value: float | Tensor = getattr(equation, key)
    return value
