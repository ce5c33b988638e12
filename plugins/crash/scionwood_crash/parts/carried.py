"""Parts that fly into a fixed wall, turned into the frame in which their carrier stands still.

The networks know parts that are clamped and hit by a moving body. In some layouts, such as the
bumpers of PhysicsNeMo, the part flies and the wall stands still. If a group of nodes moves as one
body without turning, both are the same crash: seen from that group, the wall moves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scionwood import ReadError
from scionwood_crash.parts.mesh import CrashSeries, Frame

STILL = 1e-3
"""A clamped node may move by this share of the largest displacement."""
TOGETHER = 0.5
"""The part flies if the median displacement of the first states has this share of the largest."""
RIGID = 1e-4
"""Nodes of one rigid body may differ by this share of the largest displacement."""
FEWEST = 4
"""Fewer nodes are no carrier."""
CLAMPED_FIELD = "held"
"""The point field of files that is 1 at clamped nodes."""
CARRIED = "carried_nodes"
"""Feature of a series that was turned: how many nodes carry the part."""


def at_rest(series: CrashSeries) -> CrashSeries:
    """Return a series as its carrier sees it; one in which a node stands still is unchanged.

    The carrier are the nodes that the file states as clamped, if they move as one body; otherwise
    the largest group that does so in a part that flies.

    Args:
        series: any number of states.

    Returns:
        The series, with displacements relative to those of the carrier, and with the feature
        `carried_nodes`.

    Raises:
        ReadError: the part flies, and no group of nodes moves as one body.
    """
    if len(series) < 2 or not len(series.mesh.cells):
        return series
    used = np.unique(series.mesh.cells)
    last = _moved(series, len(series) - 1, used)
    travel = np.linalg.norm(last, axis=1)
    if travel.min() <= STILL * travel.max():
        return series
    mount_field = series.read(0).point_fields.get(CLAMPED_FIELD)
    mounts = used[:0] if mount_field is None else used[mount_field[used] > 0.5]
    if len(mounts) >= FEWEST and _together(series, mounts, last):
        carrier = mounts
    elif _flies(series, used, float(travel.max())):
        carrier = _carrier(series, used, last)
    else:
        return series
    motion = np.stack([_centre(_moved(series, at, carrier)) for at in range(len(series))])

    def read(index: int) -> Frame:
        frame = series.read(index)
        return replace(frame, displacement=frame.displacement - motion[index])

    features = {**series.features, CARRIED: float(len(carrier))}
    return replace(series, read=read, features=features)


def same_frame(predicted: CrashSeries, simulated: CrashSeries) -> tuple[CrashSeries, CrashSeries]:
    """Return a prediction and its simulation, both as the carrier of the part sees them.

    Raises:
        ReadError: a part flies, and no group of nodes moves as one body.
    """
    return at_rest(predicted), at_rest(simulated)


def carrier_message(series: CrashSeries) -> str:
    """Return a sentence on a series that was turned; empty for another."""
    count = int(series.features.get(CARRIED, 0))
    if not count:
        return ""
    return (
        f"the part flies into a fixed wall: {count} nodes move as one body, and none stands still; "
        "turned into their frame, in which they are clamped and the wall moves"
    )


def _together(series: CrashSeries, nodes: np.ndarray, last: np.ndarray) -> bool:
    """Return whether nodes move as one body without turning, in all states."""
    limit = RIGID * float(np.linalg.norm(last - _centre(last), axis=1).max())
    states = (_moved(series, at, nodes) for at in range(len(series)))
    return all(np.linalg.norm(x - _centre(x), axis=1).max() <= 2 * limit for x in states)


def _flies(series: CrashSeries, used: np.ndarray, largest: float) -> bool:
    """Return whether most nodes move alike in the first state that has moved."""
    for index in range(1, len(series)):
        moved = _moved(series, index, used)
        far = float(np.linalg.norm(moved, axis=1).max())
        if far > STILL * largest:
            return float(np.linalg.norm(_centre(moved))) > TOGETHER * far
    return False


def _carrier(series: CrashSeries, used: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return the nodes of the largest group that moves as one body, (node,).

    Raises:
        ReadError: there is none.
    """
    # Relative to the deformation, not to the flight, which may be much longer.
    limit = RIGID * float(np.linalg.norm(last - _centre(last), axis=1).max())
    limit = max(limit, 1e-9 * float(np.abs(last).max()))  # a part that only flies
    _, at, counts = np.unique(
        # Nodes of one body share a cell of this grid of displacements; the fullest cell is the
        # carrier.
        np.round(last / limit),
        axis=0,
        return_inverse=True,
        return_counts=True,
    )
    densest = last[at.reshape(-1) == counts.argmax()]
    inside = np.linalg.norm(last - _centre(densest), axis=1) <= limit
    for index in range(len(series)):
        moved = _moved(series, index, used)
        # Twice the limit: the centre is a median of the nodes, and rounding of a file adds to both.
        inside &= np.linalg.norm(moved - _centre(moved[inside]), axis=1) <= 2 * limit
        if inside.sum() < FEWEST:
            break
    else:
        return np.asarray(used[inside])
    far = float(np.linalg.norm(last, axis=1).min())
    rule = f"its {len(used)} nodes all move by {far:.3g} or more, most of them together from the "
    rule += "first state: it flies into a wall, and no nodes of it move as one body without turning"
    remedy = "The networks know clamped parts under a moving body. Give displacements relative to "
    remedy += "the part's mounts, and the velocity of the wall relative to them"
    raise ReadError(str(series.path or "series"), rule, remedy)


def _moved(series: CrashSeries, index: int, nodes: np.ndarray) -> np.ndarray:
    return np.asarray(series.read(index).displacement[nodes], np.float64)


def _centre(moved: np.ndarray) -> np.ndarray:
    return np.asarray(np.median(moved, axis=0))
