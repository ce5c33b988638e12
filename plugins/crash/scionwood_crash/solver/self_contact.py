"""Contact of a mesh with itself: penalty between nodes and the closest points of elements.

Candidate pairs come from a hash grid and are kept until a node has moved half a skin (Verlet list).
A node is pushed along the line to the closest point of an element. The element gets the opposite
force through its shape functions, so momentum is conserved, and the force has a potential.
Friction acts at the mid-surfaces, a thickness apart, which leaves a small couple. Edges that cross
each other far from any node are not detected.
"""

from __future__ import annotations

import numpy as np

from scionwood_crash.solver.compiled import Array, compiled, inlined

STICK = 0.25  # largest share of the slip that friction removes in a step; it makes nodes stick


@inlined
def _bucket(i: int, j: int, k: int, count: int) -> int:
    return ((i * 73856093) ^ (j * 19349663) ^ (k * 83492791)) % count


@inlined
def _fill(x: Array, size: float, cells: Array, head: Array, following: Array) -> None:
    """Chain the nodes of each bucket of a hash grid with cells of `size` mm."""
    head[:] = -1
    for i in range(x.shape[0]):
        for k in range(3):
            cells[i, k] = int(np.floor(x[i, k] / size))
        slot = _bucket(cells[i, 0], cells[i, 1], cells[i, 2], head.shape[0])
        following[i] = head[slot]
        head[slot] = i


@inlined
def _is_near(x: Array, i: int, quads: Array, e: int, low: Array, high: Array) -> bool:
    for k in range(3):
        if x[i, k] < low[k] or x[i, k] > high[k]:
            return False
    p, q, r, s = quads[e, 0], quads[e, 1], quads[e, 2], quads[e, 3]
    apart: bool = p != i and q != i and r != i and s != i
    return apart


@inlined
def _collect(
    x: Array,
    quads: Array,
    e: int,
    a: int,
    b: int,
    c: int,
    low: Array,
    high: Array,
    cells: Array,
    head: Array,
    following: Array,
    pairs: Array,
    count: int,
) -> int:
    """Add pairs of element e with the nodes of grid cell (a, b, c) near it; return the count."""
    i = head[_bucket(a, b, c, head.shape[0])]
    while i >= 0:
        # Different cells may share a bucket of the hash.
        same = cells[i, 0] == a and cells[i, 1] == b and cells[i, 2] == c
        if same and _is_near(x, i, quads, e, low, high):
            if count < pairs.shape[0]:
                pairs[count, 0], pairs[count, 1] = i, e
            count += 1
        i = following[i]
    return count


@compiled
def find_pairs(x: Array, quads: Array, reach: Array, size: float, pairs: Array) -> int:
    """Find pairs of nodes and elements that may come into contact, and return their number.

    Args:
        x: nodes (N, 3), mm.
        quads: (E, 4).
        reach: search distance of elements (E), mm.
        size: cell size of the hash grid, mm.
        pairs: filled with pairs of node and element (M, 2). If the returned number exceeds M, the
            array is too short.
    """
    n = x.shape[0]
    cells = np.empty((n, 3), np.int64)
    head, following = np.empty(2 * n + 1, np.int64), np.empty(n, np.int64)
    _fill(x, size, cells, head, following)
    low, high = np.empty(3), np.empty(3)
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    count = 0
    for e in range(quads.shape[0]):
        for k in range(3):
            p, q, r, s = x[quads[e, 0], k], x[quads[e, 1], k], x[quads[e, 2], k], x[quads[e, 3], k]
            low[k] = min(min(p, q), min(r, s)) - reach[e]
            high[k] = max(max(p, q), max(r, s)) + reach[e]
            first[k], last[k] = int(np.floor(low[k] / size)), int(np.floor(high[k] / size))
        shape = (last[0] - first[0] + 1, last[1] - first[1] + 1, last[2] - first[2] + 1)
        for a, b, c in np.ndindex(shape):
            a, b, c = a + first[0], b + first[1], c + first[2]
            count = _collect(x, quads, e, a, b, c, low, high, cells, head, following, pairs, count)
    return count


@inlined
def _shape(s: float, t: float, shape: Array) -> None:
    shape[0], shape[1] = 0.25 * (1 - s) * (1 - t), 0.25 * (1 + s) * (1 - t)
    shape[2], shape[3] = 0.25 * (1 + s) * (1 + t), 0.25 * (1 - s) * (1 + t)


@inlined
def _closest(x: Array, i: int, quads: Array, e: int, shape: Array, direction: Array) -> float:
    """Return the distance of node i from element e; fill shape functions and direction."""
    s, t = 0.0, 0.0
    for turn in range(12):
        # Minimise along both sides in turn, inside the element.
        ahead, square = 0.0, 0.0
        _shape(s, t, shape)
        for k in range(3):
            p, q, r, u = x[quads[e, 0], k], x[quads[e, 1], k], x[quads[e, 2], k], x[quads[e, 3], k]
            if turn % 2 == 0:
                side = 0.25 * ((1 - t) * (q - p) + (1 + t) * (r - u))
            else:
                side = 0.25 * ((1 - s) * (u - p) + (1 + s) * (r - q))
            direction[k] = x[i, k] - shape[0] * p - shape[1] * q - shape[2] * r - shape[3] * u
            ahead, square = ahead + direction[k] * side, square + side * side
        if turn % 2 == 0:
            s = min(max(s + ahead / square, -1.0), 1.0)
        else:
            t = min(max(t + ahead / square, -1.0), 1.0)
    _shape(s, t, shape)
    square = 0.0
    for k in range(3):
        direction[k] = x[i, k]
        for n in range(4):
            direction[k] -= shape[n] * x[quads[e, n], k]
        square += direction[k] * direction[k]
    distance: float = np.sqrt(square)
    for k in range(3):
        direction[k] /= distance
    return distance


@inlined
def _is_far(x: Array, i: int, quads: Array, e: int, touch: float) -> bool:
    """Return whether node i is certainly more than `touch` mm off the plane of element e."""
    p, q, r, s = quads[e, 0], quads[e, 1], quads[e, 2], quads[e, 3]
    ax, ay, az = x[r, 0] - x[p, 0], x[r, 1] - x[p, 1], x[r, 2] - x[p, 2]
    bx, by, bz = x[s, 0] - x[q, 0], x[s, 1] - x[q, 1], x[s, 2] - x[q, 2]
    nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    norm = np.sqrt(nx * nx + ny * ny + nz * nz)
    off = (x[i, 0] - x[p, 0]) * nx + (x[i, 1] - x[p, 1]) * ny + (x[i, 2] - x[p, 2]) * nz
    warp = (x[q, 0] - x[p, 0]) * nx + (x[q, 1] - x[p, 1]) * ny + (x[q, 2] - x[p, 2]) * nz
    far: bool = abs(off - 0.5 * warp) > touch * norm + 0.5 * abs(warp)
    return far


@inlined
def _slip_force(
    dt: float,
    v: Array,
    i: int,
    quads: Array,
    e: int,
    shape: Array,
    direction: Array,
    push: float,
    friction: float,
    mass: float,
    force: Array,
) -> float:
    """Add friction to the `force` on node i; return the energy that the step dissipates, J."""
    slip = np.empty(3)
    across, speed = 0.0, 0.0
    for k in range(3):
        slip[k] = v[i, k]
        for n in range(4):
            slip[k] -= shape[n] * v[quads[e, n], k]
        across += slip[k] * direction[k]
    for k in range(3):
        slip[k] -= across * direction[k]
        speed += slip[k] * slip[k]
    speed = np.sqrt(speed)
    if speed == 0.0:
        return 0.0
    pull = min(friction * push, STICK * mass * speed / dt)
    for k in range(3):
        force[k] -= pull * slip[k] / speed
    lost: float = pull * speed * dt
    return lost


@compiled
def add_self_contact(
    dt: float,
    x: Array,
    v: Array,
    quads: Array,
    pairs: Array,
    count: int,
    half: Array,
    thickness: Array,
    mass: Array,
    scale: float,
    friction: float,
    f: Array,
) -> tuple[float, float]:
    """Add the forces of self-contact, and return the stored and the dissipated energy, J.

    Args:
        dt: time step, ms.
        x: nodes (N, 3), mm.
        v: velocities (N, 3), mm/ms.
        quads: (E, 4).
        pairs: pairs of node and element (M, 2).
        count: number of pairs that are used.
        half: half thickness of nodes (N), mm.
        thickness: thickness of elements (E), mm.
        mass: masses of nodes (N), kg.
        scale: stiffness over mass, 1/ms2.
        friction: Coulomb's coefficient.
        f: forces on nodes (N, 3), kN, which are changed.
    """
    stored, lost = 0.0, 0.0
    shape, direction, force = np.empty(4), np.empty(3), np.empty(3)
    for pair in range(count):
        i, e = pairs[pair, 0], pairs[pair, 1]
        touch = half[i] + 0.5 * thickness[e]
        if _is_far(x, i, quads, e, touch):
            continue
        depth = touch - _closest(x, i, quads, e, shape, direction)
        if depth <= 0.0:
            continue
        lightest = mass[i]
        for n in range(4):
            lightest = min(lightest, mass[quads[e, n]])
        push = scale * lightest * depth
        stored += 0.5 * push * depth
        force[:] = push * direction
        if friction > 0.0:
            lost += _slip_force(
                dt, v, i, quads, e, shape, direction, push, friction, lightest, force
            )
        for k in range(3):
            f[i, k] += force[k]
            for n in range(4):
                f[quads[e, n], k] -= shape[n] * force[k]
    return stored, lost


@compiled
def largest_move(x: Array, before: Array) -> float:
    """Return the largest displacement from `before` to `x` (N, 3), mm."""
    largest = 0.0
    for i in range(x.shape[0]):
        square = 0.0
        for k in range(3):
            square += (x[i, k] - before[i, k]) ** 2
        largest = max(largest, square)
    distance: float = np.sqrt(largest)
    return distance
