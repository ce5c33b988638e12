"""The schemes converge at their order."""

from __future__ import annotations

from fractions import Fraction
from math import factorial, log2

import torch
from case_table import table

from scionwood_pde.solvers.convection import KortewegDeVries
from scionwood_pde.solvers.equation import Equation
from scionwood_pde.solvers.etd import phi
from scionwood_pde.solvers.fluids import KolmogorovFlow


def phi_in_rational_numbers(k: int, z: complex) -> complex:
    """Return `sum_j z^j / (j + k)!` without rounding, with a remainder below any double."""
    x, y = Fraction(z.real), Fraction(z.imag)
    real, imag, total_real, total_imag = Fraction(1), Fraction(0), Fraction(0), Fraction(0)
    for j in range(200):
        total_real += real / factorial(j + k)
        total_imag += imag / factorial(j + k)
        real, imag = real * x - imag * y, real * y + imag * x
    return complex(total_real, total_imag)


@table(
    "z", [0.0, 1e-9, -1e-3, -0.5, -0.999, -1.001, 0.9999, -3.0, 2.0, -40.0, 1e-4j, 0.99j, 1.01j, 9j]
)
def test_the_phi_functions_are_accurate_near_zero_and_far_from_it(z):
    values = phi(torch.tensor([z], dtype=torch.complex128))
    if not z.imag:
        real = phi(torch.tensor([z.real], dtype=torch.float64))
        assert all(torch.allclose(r, f.real, rtol=1e-14) for r, f in zip(real, values, strict=True))
    for k, value in enumerate(values, start=1):
        exact = phi_in_rational_numbers(k, z)
        assert abs(value.item() - exact) < 3e-15 * max(1, abs(exact))


CASES: dict[str, tuple[Equation, float]] = {
    "korteweg_de_vries": (KortewegDeVries(length=10.0), 0.2),
    "kolmogorov_flow": (KolmogorovFlow(forcing_mode=2), 0.5),
}


@table(("order", "low", "high"), [(2, 1.9, 2.1), (4, 3.8, 4.2)])
@table("name", CASES)
def test_schemes_converge_at_their_order(advance, name, order, low, high):
    equation, time = CASES[name]
    grid_dims = 1 if name == "korteweg_de_vries" else 2
    x = torch.arange(16, dtype=torch.float64) / 16 * 2 * torch.pi
    wave = torch.sin(x) + 0.5 * torch.cos(2 * x + 1)
    shear = wave if grid_dims == 1 else wave[:, None] * torch.sin(x + 0.3)
    channels = len(equation.channels(grid_dims))
    start = torch.stack([shear.roll(3 * i, -1) for i in range(channels)])[None]
    steps = [20, 40, 400]
    coarse, fine, exact = (
        advance(equation, start, time, substeps=n, order=order).fields[:, -1] for n in steps
    )
    measured = log2(float((coarse - exact).norm() / (fine - exact).norm()))
    assert low < measured < high
