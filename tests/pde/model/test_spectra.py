"""Projection and caps of the energy in shells, against the solvers' operators."""

from __future__ import annotations

from math import pi

import torch

from scionwood_pde.model.spectra import SHELLS, capped, energy, without_divergence
from scionwood_pde.solvers.spectral import Grid


def test_the_projection_is_that_of_the_solvers() -> None:
    field = torch.randn(2, 3, 12, 12, 12, dtype=torch.float64)
    grid = Grid(12, 3, 2 * pi, torch.float64)
    wanted = grid.inverse(grid.project(grid.forward(field)))
    torch.testing.assert_close(without_divergence(field), wanted, rtol=0, atol=1e-13)


def test_a_box_may_have_different_sides() -> None:
    field = torch.randn(1, 2, 12, 30, dtype=torch.float64)
    projected = without_divergence(field)
    spectrum = torch.fft.fftn(projected, dim=(2, 3))
    kx, ky = (torch.fft.fftfreq(n, 1 / n, dtype=torch.float64) / n for n in (12, 30))
    kx[6], ky[15] = 0, 0
    divergence = spectrum[:, 0] * kx[:, None] + spectrum[:, 1] * ky
    assert divergence.abs().max() < 1e-12
    torch.testing.assert_close(without_divergence(projected), projected, rtol=0, atol=1e-13)


def test_the_energy_does_not_depend_on_the_grid() -> None:
    x = torch.arange(32, dtype=torch.float64) * 2 * pi / 32
    fine = (torch.sin(3 * x)[:, None] + 0.5 * torch.cos(2 * x)).expand(1, 1, 32, 32).contiguous()
    assert energy(fine).shape == (1, 1, SHELLS)
    torch.testing.assert_close(energy(fine[..., ::2, ::2]), energy(fine), rtol=1e-12, atol=1e-14)


def test_a_cap_lowers_only_the_shells_above_it() -> None:
    field = torch.randn(1, 2, 16, 16, 16, dtype=torch.float64)
    before = energy(field)
    cap = 2 * before[0]
    assert capped(field, cap) is field
    cap[0, 4], cap[1, 2] = before[0, 0, 4] / 9, 0.0  # zero stands for no cap
    after = energy(capped(field, cap))
    wanted = before.clone()
    wanted[0, 0, 4] = cap[0, 4]
    torch.testing.assert_close(after, wanted, rtol=1e-10, atol=1e-14)
