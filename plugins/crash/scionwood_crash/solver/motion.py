"""Masses of nodes, and their motion by central differences."""

from __future__ import annotations

import numpy as np

from scionwood_crash.solver.compiled import Array, compiled


@compiled
def lump(
    x: Array,
    quads: Array,
    thickness: Array,
    density: Array,
    mass: Array,
    inertia: Array,
    half: Array,
) -> None:
    """Fill mass (N) kg, rotational inertia (N) kg mm2 and half thickness (N) mm of the nodes.

    A quarter of each element goes to each corner. The inertia is that of an area, not of the
    thickness: it keeps bending from needing shorter steps than membranes (Belytschko et al. 1984).
    """
    weight = np.zeros(x.shape[0])
    for e in range(quads.shape[0]):
        i, j, k, m = quads[e, 0], quads[e, 1], quads[e, 2], quads[e, 3]
        area = 0.5 * np.linalg.norm(np.cross(x[k] - x[i], x[m] - x[j]))
        share = 0.25 * density[e] * area * thickness[e]
        for n in range(4):
            node = quads[e, n]
            mass[node] += share
            inertia[node] += share * max(area / 8.0, thickness[e] ** 2 / 12.0)
            weight[node] += area
            half[node] += 0.5 * area * thickness[e]
    for i in range(x.shape[0]):
        half[i] /= weight[i]


@compiled
def accelerate(
    dt: float, f: Array, m: Array, mass: Array, inertia: Array, clamped: Array, v: Array, w: Array
) -> tuple[float, float]:
    """Move velocities over a step; returns kinetic energy and the work that clamped nodes got, J.

    The energy is that of the mean of the velocities before and after, hence at the time of the
    forces. Args: step `dt` ms; `f` (N, 3) kN, `m` (N, 3) kN mm; `mass` (N) kg, `inertia` (N)
    kg mm2; `clamped` (N); `v` (N, 3) mm/ms and `w` (N, 3) 1/ms, which change.
    """
    kinetic, work = 0.0, 0.0
    for i in range(mass.shape[0]):
        for k in range(3):
            if clamped[i]:
                kinetic += 0.5 * mass[i] * v[i, k] ** 2
                work -= f[i, k] * v[i, k] * dt
                continue
            dv, dw = dt * f[i, k] / mass[i], dt * m[i, k] / inertia[i]
            kinetic += 0.5 * mass[i] * (v[i, k] + 0.5 * dv) ** 2
            kinetic += 0.5 * inertia[i] * (w[i, k] + 0.5 * dw) ** 2
            v[i, k] += dv
            w[i, k] += dw
    return kinetic, work
