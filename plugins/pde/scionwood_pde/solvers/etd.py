"""Exponential time differencing: the stiff linear part exactly, the rest by Runge-Kutta.

The schemes solve `du/dt = L u + N(u)` in Fourier space with a diagonal L. The coefficients are
combinations of `phi_k(z) = (phi_{k-1}(z) - 1/(k-1)!) / z`, `phi_0 = exp`, at `z = L dt`. They are
computed in double precision and rounded once. Near 0, where the quotients cancel, a Taylor series
replaces them. No contour integral is needed, and a complex L (dispersion) is as accurate as a real
one.

Sources: Cox and Matthews, 2002, J. Comput. Phys. 176, 430 (the schemes); Kassam and Trefethen,
2005, SIAM J. Sci. Comput. 26, 1214 (the cancellation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import factorial
from typing import TypeAlias, final

import torch
from torch import Tensor

Step: TypeAlias = Callable[[Tensor], Tensor]
"""A function from (batch, channel, *modes) complex to the same, one time step later."""

Nonlinear: TypeAlias = Callable[[Tensor], Tensor]
"""A function from (batch, channel, *modes) complex to N(u), of the same shape."""

_TERMS = 20  # 1/20! is below the rounding of a double


def phi(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return `phi_1, phi_2, phi_3` at z, accurate to a few units in the last place.

    Args:
        z: any shape, float64 or complex128.

    Returns:
        Three tensors like z.
    """
    # Each quotient loses digits by subtraction for small |z|, and the series needs many terms for
    # large |z|; at 1 both are accurate.
    near = z.abs() < 1
    # `where` evaluates both branches: 1 stands in for small z, and 0 for large z, so that neither
    # branch divides by zero or overflows, in the values or in the gradients.
    far = torch.where(near, torch.ones_like(z), z)
    inside = torch.where(near, z, torch.zeros_like(z))
    quotient, values = far.exp(), []
    for k in (1, 2, 3):
        quotient = (quotient - 1 / factorial(k - 1)) / far
        values.append(torch.where(near, _series(inside, k), quotient))
    return values[0], values[1], values[2]


def exact(linear: Tensor, dt: float, dtype: torch.dtype) -> Step:
    """Return the step of a linear equation, `u exp(L dt)`, which has only rounding errors.

    Args:
        linear: L, which broadcasts to (batch, channel, *modes), float64 or complex128, 1 / time.
        dt: the time step.
        dtype: dtype of the fields, float32 or float64.
    """
    factor = _rounded((linear * dt).exp(), dtype)
    return lambda u: u * factor


def etdrk2(linear: Tensor, nonlinear: Nonlinear, dt: float, dtype: torch.dtype) -> Step:
    """Return the step of second order, Cox and Matthews, equation 22, with two evaluations of N.

    Args:
        linear: L, which broadcasts to (batch, channel, *modes), float64 or complex128, 1 / time.
        nonlinear: the function N.
        dt: the time step.
        dtype: dtype of the fields, float32 or float64.
    """
    z = linear * dt
    phi1, phi2, _ = phi(z)
    decay, first, second = (_rounded(c, dtype) for c in (z.exp(), dt * phi1, dt * phi2))

    def step(u: Tensor) -> Tensor:
        n = nonlinear(u)
        a = decay * u + first * n
        # a = exp(z) u + dt phi_1 n is exact for a constant N; the second term is its change over
        # the step.
        return a + second * (nonlinear(a) - n)

    return step


def etdrk4(linear: Tensor, nonlinear: Nonlinear, dt: float, dtype: torch.dtype) -> Step:
    """Return the step of fourth order, Cox and Matthews, equations 26-29: four evaluations of N.

    Args:
        linear: L, which broadcasts to (batch, channel, *modes), float64 or complex128, 1 / time.
        nonlinear: the function N.
        dt: the time step.
        dtype: dtype of the fields, float32 or float64.
    """
    decay, half, stage, first, middle, last = (
        _rounded(c, dtype) for c in _fourth_order(linear * dt, dt)
    )

    def step(u: Tensor) -> Tensor:
        n = nonlinear(u)
        halved = half * u
        a = halved + stage * n
        n_a = nonlinear(a)
        n_b = nonlinear(halved + stage * n_a)
        n_c = nonlinear(half * a + stage * (2 * n_b - n))
        return decay * u + first * n + middle * (n_a + n_b) + last * n_c

    return step


def etdrk2_in_place(linear: Tensor, nonlinear: Nonlinear, dt: float, dtype: torch.dtype) -> Step:
    """Return the step of `etdrk2` with fewer new tensors; it keeps no gradients.

    Args:
        linear: see `etdrk2`.
        nonlinear: N, whose results nobody else holds.
        dt: the time step.
        dtype: dtype of the fields.
    """
    z = linear * dt
    phi1, phi2, _ = phi(z)
    decay, first, second = (_parts(c, dtype) for c in (z.exp(), dt * phi1, dt * phi2))

    def step(u: Tensor) -> Tensor:
        n = nonlinear(u)
        a = decay.times(u)
        first.add_to(a, n)
        second.add_to(a, nonlinear(a).sub_(n))
        return a

    return step


def etdrk4_in_place(linear: Tensor, nonlinear: Nonlinear, dt: float, dtype: torch.dtype) -> Step:
    """Return the step of `etdrk4` with fewer new tensors; it keeps no gradients.

    Args:
        linear: see `etdrk4`.
        nonlinear: N, whose results nobody else holds.
        dt: the time step.
        dtype: dtype of the fields.
    """
    decay, half, stage, first, middle, last = (
        _parts(c, dtype) for c in _fourth_order(linear * dt, dt)
    )

    def step(u: Tensor) -> Tensor:
        n = nonlinear(u)
        halved = half.times(u)
        a = halved.clone()
        stage.add_to(a, n)
        n_a = nonlinear(a)
        stage.add_to(halved, n_a)
        n_b = nonlinear(halved)
        # c = exp(z/2) a + (dt/2) phi_1(z/2) (2 N(b) - N(u)); `halved` became b in place, so it
        # starts from a.
        c = half.times(a)
        stage.add_to(c, n_b, 2)
        stage.add_to(c, n, -1)
        n_c = nonlinear(c)
        next_state = decay.times(u)
        first.add_to(next_state, n)
        middle.add_to(next_state, n_a.add_(n_b))
        last.add_to(next_state, n_c)
        return next_state

    return step


@final
class _Coefficient:
    """A factor of each mode. A real one multiplies the real and imaginary parts as real numbers."""

    def __init__(self, factor: Tensor) -> None:
        self.real = not factor.is_complex()
        both = factor.unsqueeze(-1).expand(*factor.shape, 2).contiguous()
        self.factor = both if self.real else factor  # contiguous, so that products are vectorised

    def times(self, u: Tensor) -> Tensor:
        """Return the product with a spectrum."""
        if self.real:
            return torch.view_as_complex(torch.view_as_real(u) * self.factor)
        return u * self.factor

    def add_to(self, total: Tensor, u: Tensor, value: int = 1) -> None:
        """Add the product with a spectrum, times a number, to a spectrum."""
        if self.real:
            torch.view_as_real(total).addcmul_(self.factor, torch.view_as_real(u), value=value)
        else:
            total.addcmul_(self.factor, u, value=value)


def _parts(coefficient: Tensor, dtype: torch.dtype) -> _Coefficient:
    return _Coefficient(_rounded(coefficient, dtype))


def _fourth_order(z: Tensor, dt: float) -> tuple[Tensor, ...]:
    """Return the coefficients of Cox and Matthews, equations 26-29, at `z = L dt`."""
    phi1, phi2, phi3 = phi(z)
    return (
        z.exp(),
        (z / 2).exp(),
        dt / 2 * phi(z / 2)[0],
        # At z = 0 these are dt / 6, dt / 3 and dt / 6: the weights of the classical Runge-Kutta
        # scheme.
        dt * (phi1 - 3 * phi2 + 4 * phi3),
        dt * (2 * phi2 - 4 * phi3),
        dt * (4 * phi3 - phi2),
    )


SCHEMES: Mapping[int, Callable[[Tensor, Nonlinear, float, torch.dtype], Step]] = {
    2: etdrk2,
    4: etdrk4,
}
"""The schemes by their order."""

IN_PLACE: Mapping[int, Callable[[Tensor, Nonlinear, float, torch.dtype], Step]] = {
    2: etdrk2_in_place,
    4: etdrk4_in_place,
}
"""The same schemes without gradients."""


def _series(z: Tensor, k: int) -> Tensor:
    """Return `sum_j z^j / (j + k)!` for |z| < 1, by Horner's rule."""
    total = torch.full_like(z, 1 / factorial(_TERMS + k))
    for j in range(_TERMS - 1, -1, -1):
        total = total * z + 1 / factorial(j + k)
    return total


def _rounded(coefficient: Tensor, dtype: torch.dtype) -> Tensor:
    return coefficient.to(dtype.to_complex() if coefficient.is_complex() else dtype)
