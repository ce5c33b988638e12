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
    """Lump the elements to mass, inertia and half thickness of the nodes.

    A quarter of each element goes to each corner. The inertia is scaled with the area instead of
    the thickness, so that bending does not need shorter steps than membranes (Belytschko et al.
    1984).

    Args:
        x: nodes (N, 3), mm.
        quads: (E, 4).
        thickness: (E), mm.
        density: (E), kg/mm3.
        mass: filled (N), kg.
        inertia: filled with the rotational inertia (N), kg mm2.
        half: filled with half the thickness (N), mm.
    """
    weight = np.zeros(x.shape[0])
    for e in range(quads.shape[0]):
        i, j, k, m = quads[e, 0], quads[e, 1], quads[e, 2], quads[e, 3]
        area = 0.5 * np.linalg.norm(np.cross(x[k] - x[i], x[m] - x[j]))
        share = 0.25 * density[e] * area * thickness[e]
        for n in range(4):
            node = quads[e, n]
            mass[node] += share
            # The true inertia of a thin sheet, t^2 / 12, would need far shorter steps.
            inertia[node] += share * max(area / 8.0, thickness[e] ** 2 / 12.0)
            weight[node] += area
            half[node] += 0.5 * area * thickness[e]
    for i in range(x.shape[0]):
        half[i] /= weight[i]


@compiled
def accelerate(
    dt: float, f: Array, m: Array, mass: Array, inertia: Array, clamped: Array, v: Array, w: Array
) -> tuple[float, float]:
    """Advance the velocities by a step; return kinetic energy and work of clamped nodes, J.

    The kinetic energy is that of the mean velocity over the step, which is at the time of the
    forces.

    Args:
        dt: time step, ms.
        f: forces (N, 3), kN.
        m: moments (N, 3), kN mm.
        mass: (N), kg.
        inertia: (N), kg mm2.
        clamped: (N) bool, nodes whose velocity is prescribed.
        v: velocities (N, 3), mm/ms, which are changed.
        w: angular velocities (N, 3), 1/ms, which are changed.
    """
    kinetic, work = 0.0, 0.0
    for i in range(mass.shape[0]):
        for k in range(3):
            if clamped[i]:
                kinetic += 0.5 * mass[i] * v[i, k] ** 2
                # The constraint does the work that holds the velocity against the force.
                work -= f[i, k] * v[i, k] * dt
                continue
            dv, dw = dt * f[i, k] / mass[i], dt * m[i, k] / inertia[i]
            kinetic += 0.5 * mass[i] * (v[i, k] + 0.5 * dv) ** 2
            kinetic += 0.5 * inertia[i] * (w[i, k] + 0.5 * dw) ** 2
            v[i, k] += dv
            w[i, k] += dw
    return kinetic, work
