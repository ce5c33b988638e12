"""The shell element: four nodes and one in-plane integration point in a corotational frame.

Source: Belytschko, Lin and Tsay, Comput. Methods Appl. Mech. Eng. 42 (1984) 225-251, with their
stiffness form of hourglass control.

Lengths are in mm, times in ms, forces in kN. Arrays of a mesh: nodes `x` (N, 3) mm, velocities `v`
(N, 3) mm/ms, angular velocities `w` (N, 3) 1/ms, and `quads` (E, 4).

With one integration point, an element only needs the differences of a field along its diagonals,
1-3 and 2-4, and its sum with alternating signs. Kernels pass numbers, because arrays are slower.
"""

from __future__ import annotations

import numpy as np

from scionwood_crash.solver.compiled import Array, compiled, inlined

SHEAR = 5.0 / 6.0  # correction factor of the transverse shear stiffness


@inlined
def _axes(
    ax: float,
    ay: float,
    az: float,
    bx: float,
    by: float,
    bz: float,
    sx: float,
    sy: float,
    sz: float,
) -> tuple[float, ...]:
    """Return unit vectors: e1 along the first side, e2, and e3 normal to the diagonals a and b."""
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    scale = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx * scale, ny * scale, nz * scale
    out = sx * nx + sy * ny + sz * nz
    sx, sy, sz = sx - out * nx, sy - out * ny, sz - out * nz
    scale = 1.0 / np.sqrt(sx * sx + sy * sy + sz * sz)
    sx, sy, sz = sx * scale, sy * scale, sz * scale
    return sx, sy, sz, ny * sz - nz * sy, nz * sx - nx * sz, nx * sy - ny * sx, nx, ny, nz


@inlined
def _differences(
    field: Array, i: int, j: int, k: int, m: int, c: int
) -> tuple[float, float, float]:
    """Return differences of component c along both diagonals, and its alternating sum."""
    f0, f1, f2, f3 = field[i, c], field[j, c], field[k, c], field[m, c]
    return f0 - f2, f1 - f3, f0 - f1 + f2 - f3


@compiled
def turn_frames(x: Array, quads: Array, frame: Array, shape: Array, area: Array) -> None:
    """Compute the axes and shapes of the elements.

    Args:
        x: nodes (N, 3), mm.
        quads: (E, 4).
        frame: filled with e1, e2, e3 as rows (E, 3, 3).
        shape: filled (E, 7): gradients along e1 of nodes 1 and 2, gradients along e2 of nodes 1 and
            2 (1/mm; nodes 3 and 4 have the opposite ones), and the alternating sum of the nodes
            along e1, e2, e3 (mm).
        area: filled with areas (E), mm2.
    """
    for e in range(quads.shape[0]):
        i, j, k, m = quads[e, 0], quads[e, 1], quads[e, 2], quads[e, 3]
        ax, bx, hx = _differences(x, i, j, k, m, 0)
        ay, by, hy = _differences(x, i, j, k, m, 1)
        az, bz, hz = _differences(x, i, j, k, m, 2)
        sx, sy, sz = x[j, 0] - x[i, 0], x[j, 1] - x[i, 1], x[j, 2] - x[i, 2]
        r = _axes(ax, ay, az, bx, by, bz, sx, sy, sz)
        for c in range(3):
            frame[e, c, 0], frame[e, c, 1], frame[e, c, 2] = r[3 * c], r[3 * c + 1], r[3 * c + 2]
        px, py = r[0] * ax + r[1] * ay + r[2] * az, r[3] * ax + r[4] * ay + r[5] * az
        qx, qy = r[0] * bx + r[1] * by + r[2] * bz, r[3] * bx + r[4] * by + r[5] * bz
        twice = px * qy - py * qx
        area[e] = 0.5 * twice
        # One-point quadrature: B_x = (y_2 - y_4, y_3 - y_1, ...) / 2A, B_y = (x_4 - x_2, x_1 - x_3,
        # ...) / 2A.
        shape[e, 0], shape[e, 1] = qy / twice, -py / twice
        shape[e, 2], shape[e, 3] = -qx / twice, px / twice
        for c in range(3):
            shape[e, 4 + c] = r[3 * c] * hx + r[3 * c + 1] * hy + r[3 * c + 2] * hz


@inlined
def _local_gradient(
    field: Array,
    i: int,
    j: int,
    k: int,
    m: int,
    r0: float,
    r1: float,
    r2: float,
    b0: float,
    b1: float,
    c0: float,
    c1: float,
    hx: float,
    hy: float,
) -> tuple[float, float, float]:
    """Return gradients along e1 and e2 and the hourglass part of a field's component along r."""
    ax, bx, hx_ = _differences(field, i, j, k, m, 0)
    ay, by, hy_ = _differences(field, i, j, k, m, 1)
    az, bz, hz_ = _differences(field, i, j, k, m, 2)
    a, b = r0 * ax + r1 * ay + r2 * az, r0 * bx + r1 * by + r2 * bz
    along, across = b0 * a + b1 * b, c0 * a + c1 * b
    return along, across, r0 * hx_ + r1 * hy_ + r2 * hz_ - hx * along - hy * across


@compiled
def strain_rates(
    dt: float, v: Array, w: Array, quads: Array, frame: Array, shape: Array, rate: Array
) -> None:
    """Compute the velocity strains at the end of a step.

    Args:
        dt: time step, ms.
        v: velocities (N, 3), mm/ms.
        w: angular velocities (N, 3), 1/ms.
        quads: (E, 4).
        frame: see `turn_frames`.
        shape: see `turn_frames`.
        rate: filled (E, 13): membrane xx, yy, xy (1/ms); curvature xx, yy, xy (1/(mm ms));
            transverse shear xz, yz (1/ms); hourglass rates in the plane, out of it, and of the
            rotations.
    """
    half = 0.5 * dt
    for e in range(quads.shape[0]):
        i, j, k, m = quads[e, 0], quads[e, 1], quads[e, 2], quads[e, 3]
        b0, b1, c0, c1 = shape[e, 0], shape[e, 1], shape[e, 2], shape[e, 3]
        hx, hy, hz = shape[e, 4], shape[e, 5], shape[e, 6]
        x0, x1, x2 = frame[e, 0, 0], frame[e, 0, 1], frame[e, 0, 2]
        y0, y1, y2 = frame[e, 1, 0], frame[e, 1, 1], frame[e, 1, 2]
        z0, z1, z2 = frame[e, 2, 0], frame[e, 2, 1], frame[e, 2, 2]
        ux, uy, hu = _local_gradient(v, i, j, k, m, x0, x1, x2, b0, b1, c0, c1, hx, hy)
        vx, vy, hv = _local_gradient(v, i, j, k, m, y0, y1, y2, b0, b1, c0, c1, hx, hy)
        wx, wy, hw = _local_gradient(v, i, j, k, m, z0, z1, z2, b0, b1, c0, c1, hx, hy)
        ax, ay, ha = _local_gradient(w, i, j, k, m, x0, x1, x2, b0, b1, c0, c1, hx, hy)
        bx, by, hb = _local_gradient(w, i, j, k, m, y0, y1, y2, b0, b1, c0, c1, hx, hy)
        # Gradients are taken at the end of the step. For a finite rotation sym(L) - dt L'L / 2 is
        # then zero, and not of the order dt.
        rate[e, 0] = ux - half * (ux * ux + vx * vx + wx * wx)
        rate[e, 1] = vy - half * (uy * uy + vy * vy + wy * wy)
        rate[e, 2] = uy + vx - dt * (ux * uy + vx * vy + wx * wy)
        # Curvatures of Mindlin plates: the normal turns by (w_y, -w_x).
        rate[e, 3], rate[e, 4], rate[e, 5] = bx, -ay, by - ax
        t0 = 0.25 * (w[i, 0] + w[j, 0] + w[k, 0] + w[m, 0])
        t1 = 0.25 * (w[i, 1] + w[j, 1] + w[k, 1] + w[m, 1])
        t2 = 0.25 * (w[i, 2] + w[j, 2] + w[k, 2] + w[m, 2])
        # Transverse shear: slope of the mid-surface plus rotation of the normal.
        rate[e, 6] = wx + y0 * t0 + y1 * t1 + y2 * t2
        rate[e, 7] = wy - x0 * t0 - x1 * t1 - x2 * t2
        # A rigid rotation of a warped element is not an hourglass motion.
        rate[e, 8], rate[e, 9], rate[e, 10] = hu + hz * wx, hv + hz * wy, hw
        rate[e, 11], rate[e, 12] = ha, hb


@compiled
def update_hourglass(
    dt: float,
    control: float,
    young: Array,
    shear: Array,
    thickness: Array,
    shape: Array,
    area: Array,
    rate: Array,
    resultant: Array,
) -> float:
    """Update the hourglass forces `resultant[:, 8:]` by one step, and return their work, J.

    Args:
        dt: time step, ms.
        control: hourglass coefficient.
        young: Young's moduli (E), GPa.
        shear: shear moduli (E), GPa.
        thickness: (E), mm.
        shape: see `turn_frames`.
        area: (E), mm2.
        rate: see `strain_rates`.
        resultant: (E, 13), which is changed.
    """
    work = 0.0
    for e in range(area.shape[0]):
        # b^2 summed over the four nodes: nodes 3 and 4 have the opposite gradients of 1 and 2.
        size = 2.0 * (shape[e, 0] ** 2 + shape[e, 1] ** 2 + shape[e, 2] ** 2 + shape[e, 3] ** 2)
        t, scale = thickness[e], control * size * dt
        # The three stiffnesses of Belytschko, Lin and Tsay: r_m E t A b^2 / 8, r_w k G t^3 b^2 / 12
        # and r_t E t^3 A b^2 / 192, here with one coefficient r.
        plane = scale * young[e] * t * area[e] / 8.0
        out = scale * SHEAR * shear[e] * t**3 / 12.0
        turn = scale * young[e] * t**3 * area[e] / 192.0
        for k in range(8, 13):
            stiffness = plane if k < 10 else (out if k == 10 else turn)
            old = resultant[e, k]
            resultant[e, k] = old + stiffness * rate[e, k]
            work += 0.5 * dt * (old + resultant[e, k]) * rate[e, k]
    return work


@inlined
def _scatter(
    f: Array, i: int, j: int, k: int, m: int, c: int, a: float, b: float, h: float, mean: float
) -> None:
    """Subtract the forces of one element from component c; diagonal forces are opposite."""
    f[i, c] -= a + h + mean
    f[k, c] -= h - a + mean
    f[j, c] -= b - h + mean
    f[m, c] -= mean - b - h


@compiled
def subtract_internal_forces(
    quads: Array, frame: Array, shape: Array, area: Array, resultant: Array, f: Array, m: Array
) -> None:
    """Subtract the internal forces and moments of the elements.

    Args:
        quads: (E, 4).
        frame: see `turn_frames`.
        shape: see `turn_frames`.
        area: (E), mm2.
        resultant: (E, 13): membrane kN/mm, moments kN, transverse shear kN/mm, hourglass.
        f: forces on nodes (N, 3), kN, which are changed.
        m: moments on nodes (N, 3), kN mm, which are changed.
    """
    for e in range(quads.shape[0]):
        n0, n1, n2, n3 = quads[e, 0], quads[e, 1], quads[e, 2], quads[e, 3]
        b0, b1, c0, c1 = shape[e, 0], shape[e, 1], shape[e, 2], shape[e, 3]
        g0 = shape[e, 4] * b0 + shape[e, 5] * c0
        g1 = shape[e, 4] * b1 + shape[e, 5] * c1
        s, hz = area[e], shape[e, 6]
        xx, yy, xy = s * resultant[e, 0], s * resultant[e, 1], s * resultant[e, 2]
        kx, ky, kxy = s * resultant[e, 3], s * resultant[e, 4], s * resultant[e, 5]
        xz, yz = s * resultant[e, 6], s * resultant[e, 7]
        h0, h1, h2 = resultant[e, 8], resultant[e, 9], resultant[e, 10]
        h3, h4 = resultant[e, 11], resultant[e, 12]
        xz_, yz_ = (
            xz + hz * h0,
            yz + hz * h1,
        )  # the rotation of a warped element, as in `strain_rates`
        a0, b0_ = b0 * xx + c0 * xy - g0 * h0, b1 * xx + c1 * xy - g1 * h0
        a1, b1_ = b0 * xy + c0 * yy - g0 * h1, b1 * xy + c1 * yy - g1 * h1
        a2, b2_ = b0 * xz_ + c0 * yz_ - g0 * h2, b1 * xz_ + c1 * yz_ - g1 * h2
        a3, b3_ = -c0 * ky - b0 * kxy - g0 * h3, -c1 * ky - b1 * kxy - g1 * h3
        a4, b4_ = b0 * kx + c0 * kxy - g0 * h4, b1 * kx + c1 * kxy - g1 * h4
        for c in range(3):
            r0, r1, r2 = frame[e, 0, c], frame[e, 1, c], frame[e, 2, c]
            a, b = r0 * a0 + r1 * a1 + r2 * a2, r0 * b0_ + r1 * b1_ + r2 * b2_
            _scatter(f, n0, n1, n2, n3, c, a, b, r0 * h0 + r1 * h1 + r2 * h2, 0.0)
            a, b, mean = r0 * a3 + r1 * a4, r0 * b3_ + r1 * b4_, 0.25 * (r1 * xz - r0 * yz)
            _scatter(m, n0, n1, n2, n3, c, a, b, r0 * h3 + r1 * h4, mean)


@compiled
def stable_step(x: Array, quads: Array, wave: Array) -> float:
    """Return the longest stable time step, ms.

    It is 2 / w of the stiffest membrane motion of any element, with `w^2 = 4 c^2 b`. Here c is the
    wave speed, and b is the larger eigenvalue of the products of gradients.

    Source: Flanagan and Belytschko, J. Eng. Mech. 110 (1984) 35-53.

    Args:
        x: nodes (N, 3), mm.
        quads: (E, 4).
        wave: wave speed (E), mm/ms.
    """
    shortest = np.inf
    for e in range(quads.shape[0]):
        aa, bb, ab = 0.0, 0.0, 0.0
        for c in range(3):
            a, b, _ = _differences(x, quads[e, 0], quads[e, 1], quads[e, 2], quads[e, 3], c)
            aa, bb, ab = aa + a * a, bb + b * b, ab + a * b
        # Larger eigenvalue of the 2 x 2 matrix of the products of the diagonals.
        larger = 0.5 * (aa + bb) + np.sqrt(0.25 * (aa - bb) ** 2 + ab * ab)
        square = aa * bb - ab * ab  # square of twice the area
        shortest = min(shortest, np.sqrt(0.5 * square / larger) / wave[e])
    return shortest
