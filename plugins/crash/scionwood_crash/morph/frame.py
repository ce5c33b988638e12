"""A frame that turns with the part: predictions in it turn with the model (reconstruction)."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from scionwood_crash.morph.surface import Surface

FLAT = 1e-3
"""Below this share of a part's length an offset or a skewness decides no sign."""
AXIAL = 0.3
"""Sine of the angle between axis and impact below which the impact is along the axis."""


@final
class Frame(NamedTuple):
    """Where the axes of a part are.

    Attributes:
        origin: (3,), the centroid of its area.
        axes: (3, 3), rows: along the part, towards the impactor, and across; right-handed.
    """

    origin: np.ndarray
    axes: np.ndarray

    def inward(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) in the part's axes."""
        return np.asarray((points - self.origin) @ self.axes.T)

    def turned(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (..., 3) in the part's axes."""
        return np.asarray(vectors @ self.axes.T)

    def outward(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (..., 3) of the part's axes in those of the model."""
        return np.asarray(vectors @ self.axes)


def canonical_frame(surface: Surface, impact: np.ndarray, direction: np.ndarray) -> Frame:
    """The frame of a part under an impact.

    The first axis is the longest principal axis of the area, towards the point of impact. The
    second one is where the impactor comes from, at right angles to the first; for an impact along
    the axis it is the axis of the section towards the side that is touched first, so that parts
    that are hit alike lie alike, or the widest one where the touch is central. Where symmetry
    leaves a sign open, the third moment of the area decides.

    Args:
        surface: of the part.
        impact: (3,), the impactor's first point of contact, or a point near it.
        direction: (3,), where the impactor moves; any length but zero.
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
    """The axis of the section nearest to `aside`; where that is nothing, the widest one.

    The axes of a square section are the normals of its sides.
    """
    basis = np.linalg.svd(along[None])[2][1:]
    y = x @ basis.T
    values, vectors = np.linalg.eigh((y * weights[:, None]).T @ y)
    oblong = values[1] > 1.02 * values[0]
    if oblong:
        axes = np.concatenate([vectors.T, -vectors.T]) @ basis
    else:
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
    """The axis with the sign of an offset, or of the third moment where that is nothing."""
    if abs(offset) < FLAT * length:
        offset = float(weights @ (x @ axis) ** 3)
    return axis if offset >= 0 else -axis
