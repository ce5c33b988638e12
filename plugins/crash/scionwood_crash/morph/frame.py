"""The axes of a part, which rotate with it; predictions are made in them (reconstruction)."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from scionwood_crash.morph.surface import Surface

FLAT = 1e-3
"""Smaller offsets, relative to the length of the part, do not decide the sign of an axis."""
AXIAL = 0.3
"""An impact is along the axis if the sine of the angle between them is below this."""


@final
class Frame(NamedTuple):
    """The origin and the axes of a part.

    Attributes:
        origin: (3,), centroid of the area.
        axes: (3, 3), rows: along the part, towards the impactor, and across; right-handed, or
            left-handed if an encoder mirrors the part.
    """

    origin: np.ndarray
    axes: np.ndarray

    def inward(self, points: np.ndarray) -> np.ndarray:
        """Convert points (..., 3) of the model to the part's axes."""
        return np.asarray((points - self.origin) @ self.axes.T)

    def vectors_inward(self, vectors: np.ndarray) -> np.ndarray:
        """Convert vectors (..., 3) of the model to the part's axes."""
        return np.asarray(vectors @ self.axes.T)

    def outward(self, vectors: np.ndarray) -> np.ndarray:
        """Convert vectors (..., 3) in the part's axes to the axes of the model."""
        return np.asarray(vectors @ self.axes)


def canonical_frame(surface: Surface, impact: np.ndarray, direction: np.ndarray) -> Frame:
    """Return the frame of a part under an impact.

    The first axis is the longest principal axis of the area, towards the point of impact. The
    second axis is normal to it and points to where the impactor comes from.

    For an impact along the first axis, the second one is the axis of the section towards the side
    that is touched first, so that equal impacts give equal axes. If the contact is central, it is
    the widest axis of the section. If symmetry leaves a sign open, the third moment of the area
    decides.

    Args:
        surface: surface of the part.
        impact: (3,), first point of contact of the impactor, or a point near it.
        direction: (3,), direction in which the impactor moves; any length except zero.
    """
    weights = surface.node_areas / surface.node_areas.sum()
    origin = weights @ surface.points
    x = surface.points - origin
    _, vectors = np.linalg.eigh((x * weights[:, None]).T @ x)
    along = vectors[:, 2]
    length = float(np.ptp(x @ along))
    along = _signed(along, x, weights, length, float((impact - origin) @ along))
    came = -direction / np.linalg.norm(direction)
    across = came - (came @ along) * along
    if np.linalg.norm(across) < AXIAL:
        aside = impact - origin
        across = _section_axis(x, weights, along, length, aside - (aside @ along) * along)
    across = across / np.linalg.norm(across)
    return Frame(origin, np.stack([along, across, np.cross(along, across)]))


def _section_axis(
    x: np.ndarray, weights: np.ndarray, along: np.ndarray, length: float, aside: np.ndarray
) -> np.ndarray:
    """Return the axis of the section nearest to `aside`, or the widest axis if `aside` is zero.

    The axes of a square section are the normals of its sides.
    """
    basis = np.linalg.svd(along[None])[2][1:]
    y = x @ basis.T
    values, vectors = np.linalg.eigh((y * weights[:, None]).T @ y)
    # Nearly equal moments leave the principal axes open: a change of the mesh would turn them.
    oblong = values[1] > 1.02 * values[0]
    if oblong:
        axes = np.concatenate([vectors.T, -vectors.T]) @ basis
    else:
        # The second moments of a square are equal in all directions; the fourth harmonic shows its
        # corners.
        z = y[:, 0] + 1j * y[:, 1]
        phase = np.angle(weights @ z**4) / 4  # of a corner
        turns = phase + np.pi / 4 + np.pi / 2 * np.arange(4)
        axes = np.stack([np.cos(turns), np.sin(turns)], 1) @ basis
    if (axes @ aside).max() > FLAT * length:
        chosen = axes[int(np.argmax(axes @ aside))]
    elif oblong:
        chosen = _signed(axes[1], x, weights, length, 0.0)
    else:
        chosen = axes[int(np.argmax([weights @ (x @ axis) ** 3 for axis in axes]))]
    return np.asarray(chosen)


def _signed(
    axis: np.ndarray, x: np.ndarray, weights: np.ndarray, length: float, offset: float
) -> np.ndarray:
    """Return the axis with the sign of the offset, or of the third moment if that is zero."""
    if abs(offset) < FLAT * length:
        offset = float(weights @ (x @ axis) ** 3)
    return axis if offset >= 0 else -axis
