"""Plane-stress J2 plasticity through the thickness, with hardening and strain-rate effect.

Source: return mapping of Simo and Taylor, Int. J. Numer. Methods Eng. 22 (1986) 649-670, for
isotropic hardening. The flow stress is Ludwik's `A + B e^n` times Cowper and Symonds'
`1 + (de/dt / D)^(1/q)`. Stresses are in GPa, rates in 1/ms.
"""

from __future__ import annotations

import numpy as np

from scionwood_crash.solver.compiled import Array, compiled, inlined
from scionwood_crash.solver.model import COLUMNS

SHEAR = 5.0 / 6.0  # correction factor of the transverse shear stiffness
OFFSET = 1e-5  # offset of the plastic strain, because the slope of e^n is infinite at zero
SMOOTHING = 0.02  # ms; averaging time of the plastic strain rate
ROOT = np.sqrt(2.0 / 3.0)
YOUNG, POISSON, DENSITY, A, B, N, D, Q = range(len(COLUMNS))
XX, YY, XY, PLASTIC, FLOW, SPEED = range(6)  # columns of the state of a point


@inlined
def _multiplier(
    p2: float,
    d2: float,
    plastic: float,
    flow: float,
    factor: float,
    kp: float,
    kd: float,
    a: float,
    b: float,
    n: float,
) -> tuple[float, float, float]:
    """Solve for the plastic multiplier by Newton's method.

    Returns the multiplier, and the plastic strain and flow stress on the yield surface. `flow` does
    not include the rate `factor`.
    """
    base = a - b * OFFSET**n
    multiplier, reached = 0.0, plastic
    for _ in range(25):
        u, w = 1.0 / (1.0 + kp * multiplier), 1.0 / (1.0 + kd * multiplier)
        phi = p2 * u * u + d2 * w * w
        root = np.sqrt(phi)
        if multiplier > 0.0:
            reached = plastic + ROOT * multiplier * root
            flow = base + b * (reached + OFFSET) ** n
        excess = phi - ROOT * ROOT * factor * factor * flow * flow
        if abs(excess) < 1e-7 * flow * flow:
            break
        slope = n * (flow - base) / (reached + OFFSET)
        dphi = -2.0 * (kp * p2 * u * u * u + kd * d2 * w * w * w)
        growth = ROOT * (root + 0.5 * multiplier * dphi / root)
        fall = 2.0 * ROOT * ROOT * factor * factor * flow * slope * growth - dphi
        # A step of Newton below zero would unload along the yield surface.
        multiplier = max(multiplier + excess / fall, 0.0)
    return multiplier, reached, flow


@inlined
def _return(
    sx: float,
    sy: float,
    sxy: float,
    plastic: float,
    flow: float,
    factor: float,
    stiffness: float,
    poisson: float,
    shear: float,
    a: float,
    b: float,
    n: float,
) -> tuple[float, float, float, float, float]:
    """Return the stress, plastic strain and flow stress after a return from the trial stress."""
    # In these three numbers the return is diagonal: f = p^2 / 6 + d^2 / 2 + 2 s_xy^2, with the von
    # Mises stress squared = 3 f / 2.
    p, d = sx + sy, sy - sx
    p2, d2 = p * p * (1.0 / 6.0), 0.5 * d * d + 2.0 * sxy * sxy
    limit = factor * flow
    if 1.5 * (p2 + d2) <= limit * limit:
        return sx, sy, sxy, plastic, flow
    # Elastic stiffnesses of the two parts of the deviator, E / (3 (1 - nu)) and 2 G.
    kp, kd = stiffness * (1.0 + poisson) / 3.0, 2.0 * shear
    k, plastic, flow = _multiplier(p2, d2, plastic, flow, factor, kp, kd, a, b, n)
    p, d = p / (1.0 + kp * k), d / (1.0 + kd * k)
    return 0.5 * (p - d), 0.5 * (p + d), sxy / (1.0 + kd * k), plastic, flow


@inlined
def _rate_factor(speed: float, d: float, q: float) -> float:
    """Return the factor of Cowper and Symonds at a plastic strain rate in 1/ms."""
    if d == 0.0 or speed < 1e-9:
        return 1.0
    factor: float = 1.0 + (speed / d) ** (1.0 / q)
    return factor


@compiled
def update_stress(
    dt: float,
    rate: Array,
    thickness: Array,
    part: Array,
    materials: Array,
    points: Array,
    weights: Array,
    state: Array,
    resultant: Array,
) -> None:
    """Advance the stresses of the integration points by one step.

    The transverse shear stays elastic, and the thickness constant.

    Args:
        dt: time step, ms.
        rate: velocity strains (E, 13) of `elements.strain_rates`.
        thickness: (E), mm.
        part: row of `materials` of each element (E).
        materials: (P, 8), in the order of `COLUMNS`.
        points: Gauss points through the thickness (K), in [-1, 1].
        weights: Gauss weights (K).
        state: (E, K, 6), which is changed: stress xx, yy, xy, GPa; plastic strain; flow stress
            without rate, GPa; plastic strain rate, 1/ms.
        resultant: (E, 13), whose first 8 columns are changed.
    """
    # A filter of first order: the plastic rate of single steps is noise, which the flow stress
    # would follow.
    share = min(dt / SMOOTHING, 1.0)
    for e in range(part.shape[0]):
        half, m = 0.5 * thickness[e], part[e]
        nu, a, b, n = materials[m, POISSON], materials[m, A], materials[m, B], materials[m, N]
        g = 0.5 * materials[m, YOUNG] / (1.0 + nu)
        c = 2.0 * g / (1.0 - nu)
        dx, dy, dxy = dt * rate[e, 0], dt * rate[e, 1], dt * rate[e, 2]
        kx, ky, kxy = dt * rate[e, 3], dt * rate[e, 4], dt * rate[e, 5]
        f0, f1, f2, m0, m1, m2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(points.shape[0]):
            z, weight, speed = half * points[k], half * weights[k], state[e, k, SPEED]
            ex, ey = dx + z * kx, dy + z * ky
            sx = state[e, k, XX] + c * (ex + nu * ey)
            sy = state[e, k, YY] + c * (ey + nu * ex)
            sxy = state[e, k, XY] + g * (dxy + z * kxy)
            # The rate of the steps before, so that the return does not depend on its own result.
            factor = _rate_factor(speed, materials[m, D], materials[m, Q])
            old, flow = state[e, k, PLASTIC], state[e, k, FLOW]
            sx, sy, sxy, new, flow = _return(sx, sy, sxy, old, flow, factor, c, nu, g, a, b, n)
            state[e, k, XX], state[e, k, YY], state[e, k, XY] = sx, sy, sxy
            state[e, k, PLASTIC], state[e, k, FLOW] = new, flow
            state[e, k, SPEED] = speed + share * ((new - old) / dt - speed)
            f0, f1, f2 = f0 + weight * sx, f1 + weight * sy, f2 + weight * sxy
            weight *= z
            m0, m1, m2 = m0 + weight * sx, m1 + weight * sy, m2 + weight * sxy
        resultant[e, 0], resultant[e, 1], resultant[e, 2] = f0, f1, f2
        resultant[e, 3], resultant[e, 4], resultant[e, 5] = m0, m1, m2
        stiffness = SHEAR * thickness[e] * g * dt
        resultant[e, 6] += stiffness * rate[e, 6]
        resultant[e, 7] += stiffness * rate[e, 7]


@compiled
def half_power(area: Array, rate: Array, resultant: Array) -> float:
    """Return half the power of the stresses, kW; a step adds it at its start and at its end.

    Args:
        area: (E), mm2.
        rate: (E, 13).
        resultant: (E, 13).
    """
    power = 0.0
    for e in range(area.shape[0]):
        density = 0.0
        for k in range(8):
            density += resultant[e, k] * rate[e, k]
        power += 0.5 * area[e] * density
    return power
