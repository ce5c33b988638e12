"""Penalty contact of the mesh with a rigid plane or cylinder, with Coulomb friction.

Contact is at the outer face of the mesh, half a thickness from the mid-surface.
"""

from __future__ import annotations

import numpy as np

from scionwood_crash.solver.compiled import Array, compiled, inlined

STICK = 0.25  # largest share of a node's slip that friction removes in a step; it makes nodes stick


@inlined
def _gap(
    x: Array, i: int, cylinder: bool, point: Array, axis: Array, radius: float, normal: Array
) -> float:
    """Return the distance of node i from the body, mm; fill the normal towards the mesh."""
    rx, ry, rz = x[i, 0] - point[0], x[i, 1] - point[1], x[i, 2] - point[2]
    along: float = rx * axis[0] + ry * axis[1] + rz * axis[2]
    if not cylinder:
        normal[:] = axis
        return along
    rx, ry, rz = rx - along * axis[0], ry - along * axis[1], rz - along * axis[2]
    distance: float = np.sqrt(rx * rx + ry * ry + rz * rz)
    normal[0], normal[1], normal[2] = rx / distance, ry / distance, rz / distance
    return distance - radius


@inlined
def _friction(
    dt: float,
    v: Array,
    i: int,
    velocity: Array,
    normal: Array,
    push: float,
    friction: float,
    mass: Array,
    f: Array,
    total: Array,
) -> float:
    """Add friction to node i; return the energy that the step dissipates, J."""
    sx, sy, sz = v[i, 0] - velocity[0], v[i, 1] - velocity[1], v[i, 2] - velocity[2]
    across = sx * normal[0] + sy * normal[1] + sz * normal[2]
    sx, sy, sz = sx - across * normal[0], sy - across * normal[1], sz - across * normal[2]
    speed = np.sqrt(sx * sx + sy * sy + sz * sz)
    if speed == 0.0:
        return 0.0
    # Coulomb's force alone would reverse the slip of a slow node in a step, and oscillate.
    pull = min(friction * push, STICK * mass[i] * speed / dt)
    scale = pull / speed
    f[i, 0], f[i, 1], f[i, 2] = f[i, 0] - scale * sx, f[i, 1] - scale * sy, f[i, 2] - scale * sz
    total[0], total[1], total[2] = (
        total[0] - scale * sx,
        total[1] - scale * sy,
        total[2] - scale * sz,
    )
    lost: float = pull * speed * dt
    return lost


@compiled
def add_rigid_contact(
    dt: float,
    x: Array,
    v: Array,
    half: Array,
    stiffness: Array,
    mass: Array,
    cylinder: bool,
    point: Array,
    axis: Array,
    radius: float,
    friction: float,
    velocity: Array,
    f: Array,
    total: Array,
) -> tuple[float, float]:
    """Add contact forces to `f`, and return the stored and the dissipated energy, J.

    Args:
        dt: time step, ms.
        x: nodes (N, 3), mm.
        v: velocities (N, 3), mm/ms.
        half: half thickness of nodes (N), mm.
        stiffness: contact stiffness of nodes (N), kN/mm.
        mass: mass of nodes (N), kg.
        cylinder: whether the body is a cylinder; otherwise it is a plane.
        point: a point (3) of the plane or the cylinder's axis, mm.
        axis: normal of the plane or axis of the cylinder (3), unit length.
        radius: radius of the cylinder, mm.
        friction: Coulomb's coefficient.
        velocity: velocity of the body (3), mm/ms.
        f: forces on nodes (N, 3), kN, which are changed.
        total: filled with the force on the mesh (3), kN.
    """
    stored, lost = 0.0, 0.0
    normal = np.empty(3)
    total[:] = 0.0
    for i in range(x.shape[0]):
        # The mesh is the mid-surface; metal begins half a thickness before it.
        depth = half[i] - _gap(x, i, cylinder, point, axis, radius, normal)
        if depth <= 0.0:
            continue
        push = stiffness[i] * depth
        stored += 0.5 * push * depth
        for k in range(3):
            f[i, k] += push * normal[k]
            total[k] += push * normal[k]
        if friction > 0.0:
            lost += _friction(dt, v, i, velocity, normal, push, friction, mass, f, total)
    return stored, lost
