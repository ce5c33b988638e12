"""Made-up CT slices of the liver, with and without a lesion, by subject; they need no file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from scionwood_biomed.data.items import Item

CLASSES = ("calcified lesion", "liver cyst", "normal liver", "rim enhancing lesion")
"""In alphabetical order, as `items.labels` numbers them."""

PIXELS = 64
FIELD = 360.0
"""Side of the picture, mm."""

WINDOW = (40.0, 400.0)
"""Level and width in HU: soft tissue."""


@final
class Body(NamedTuple):
    """What is the same in all slices of a subject; lengths in mm, values in HU.

    Attributes:
        axes: half axes of the body, left-right and front-back.
        liver: mean of the liver in the portal-venous phase.
        fat: thickness under the skin.
        noise: standard deviation of the reconstruction.
        lesion: HU of the lesion's inside and of its rim.
    """

    axes: tuple[float, float]
    liver: float
    fat: float
    noise: float
    lesion: tuple[float, float]


def phantom_items(subjects: int, images: int) -> list[Item]:
    """Subjects whose classes take turns, with some slices of each.

    Args:
        subjects: of all classes together.
        images: slices of each.
    """
    return [
        Item(Path(f"subject{subject:04d}") / str(index), CLASSES[subject % 4], f"{subject:04d}")
        for subject in range(subjects)
        for index in range(images)
    ]


def phantom(item: Item, seed: int) -> np.ndarray:
    """The slice of an item.

    Args:
        item: of `phantom_items`.
        seed: of all subjects.

    Returns:
        (64, 64, 3) float32, a soft-tissue window from 0 to 1.
    """
    owner = np.random.default_rng((seed, int(item.subject)))
    body = _body(item.label, owner)
    rng = np.random.default_rng((seed, int(item.subject), 1 + int(item.path.name)))
    values = _slice(body, item.label, rng) + body.noise * _grain(rng)
    low = WINDOW[0] - WINDOW[1] / 2
    shown = np.clip((values - low) / WINDOW[1], 0, 1).astype(np.float32)
    return np.repeat(shown[..., None], 3, -1)


def _body(label: str, rng: np.random.Generator) -> Body:
    inside = {
        "calcified lesion": (rng.uniform(300, 700), 0.0),
        "liver cyst": (rng.uniform(-5, 15), 0.0),
        "rim enhancing lesion": (rng.uniform(20, 50), rng.uniform(170, 220)),
    }
    lesion = inside.get(label, (0.0, 0.0))
    axes = (rng.uniform(140, 168), rng.uniform(100, 125))
    return Body(axes, rng.normal(105, 8), rng.uniform(8, 25), rng.uniform(6, 16), lesion)


def _slice(body: Body, label: str, rng: np.random.Generator) -> np.ndarray:
    """HU without noise: air, fat, muscle, spine, spleen, liver, and the lesion in it."""
    side = np.linspace(-FIELD / 2, FIELD / 2, PIXELS)
    y, x = np.meshgrid(side, side, indexing="ij")
    a, b = body.axes
    values = np.full(x.shape, -1000.0)
    values[_inside(x, y, 0, 0, a, b)] = -100
    values[_inside(x, y, 0, 0, a - body.fat, b - body.fat)] = 55
    values[_inside(x, y, 0, 0.62 * b, 22, 20)] = 350
    values[_inside(x, y, 0.55 * a, 0.25 * b, 30, 38)] = body.liver + 10
    scale = rng.uniform(0.85, 1.05)
    centre, axes = (-0.38 * a, -0.05 * b), (0.46 * a * scale, 0.55 * b * scale)
    values[_inside(x, y, *centre, *axes)] = body.liver
    if label != "normal liver":
        angle, far, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.5), rng.uniform(16, 30)
        at = (centre[0] + far * axes[0] * np.cos(angle), centre[1] + far * axes[1] * np.sin(angle))
        radius = radius / 2 if label == "calcified lesion" else radius
        inside, rim = body.lesion
        if rim:
            values[_inside(x, y, *at, radius, radius)] = rim
            radius -= 7
        values[_inside(x, y, *at, radius, radius)] = inside
    return values


def _inside(x: np.ndarray, y: np.ndarray, u: float, v: float, a: float, b: float) -> np.ndarray:
    found: np.ndarray = ((x - u) / a) ** 2 + ((y - v) / b) ** 2 <= 1
    return found


def _grain(rng: np.random.Generator) -> np.ndarray:
    """Noise of unit variance with the ramp-like spectrum of filtered back-projection."""
    frequency = np.fft.fftfreq(PIXELS)
    radius = np.hypot(*np.meshgrid(frequency, frequency))
    shaped = np.fft.fft2(rng.standard_normal((PIXELS, PIXELS))) * radius * np.exp(-4 * radius**2)
    grain = np.fft.ifft2(shaped).real
    return grain / grain.std()
