"""Synthetic CT slices of the liver, with and without a lesion; they need no file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from scionwood_biomed.data.base import ImageData, Side
from scionwood_biomed.data.items import Item

CLASSES = ("calcified lesion", "liver cyst", "normal liver", "rim enhancing lesion")
"""Class names in alphabetical order, the order of `items.labels`."""

PIXELS = 64
FIELD = 360.0
"""Field of view: side of a slice, in mm."""

WINDOW = (40.0, 400.0)
"""Soft-tissue window: level and width in HU."""


@final
class Body(NamedTuple):
    """Properties that all slices of a subject share; lengths in mm, values in HU.

    Attributes:
        axes: semi-axes of the body, left-right and anterior-posterior.
        liver: mean attenuation of the liver in the portal-venous phase.
        fat: thickness of the subcutaneous fat.
        noise: standard deviation of the image noise.
        lesion: attenuation of the core of the lesion and of its rim.
    """

    axes: tuple[float, float]
    liver: float
    fat: float
    noise: float
    lesion: tuple[float, float]


@final
class Phantoms(ImageData):
    """Synthetic CT slices of the liver in four classes, with any number of subjects.

    Shapes: a batch holds `image` (batch, 3, size, size) float32, `label` (batch,) int64 and
        `classes`, the class names.

    Units: image from 0 to 1, which is a soft-tissue window (-160 to 240 HU).

    Source: this project's own model: ellipses with the attenuation of tissues in the portal-venous
        phase, and noise with the spectrum of filtered back-projection.

    Args:
        subjects: number of subjects over all classes.
        images: slices per subject.
        shots: K, the number of training images per class; `None` means all of them.
        classes: all classes, or only the base or the novel ones of a base-to-novel experiment.
        size: side of an image in pixels; it must be the size that the backbone takes.
        batch_size: images per batch.
        seed: seed of the subjects, of the splits and of the shots.
    """

    def __init__(
        self,
        *,
        subjects: int = 80,
        images: int = 2,
        shots: int | None = 16,
        classes: Side = "all",
        size: int = 64,
        batch_size: int = 16,
        seed: int = 0,
    ) -> None:
        super().__init__(shots=shots, classes=classes, size=size, batch_size=batch_size, seed=seed)
        self.subjects, self.images = subjects, images

    def items(self) -> list[Item]:
        """Return every slice."""
        return phantom_items(self.subjects, self.images)

    def picture(self, item: Item) -> np.ndarray:
        """Return the pixels of a slice; see `phantom`."""
        return phantom(item, self.seed)


def phantom_items(subjects: int, images: int) -> list[Item]:
    """List the slices of synthetic subjects; consecutive subjects cycle through the classes.

    Args:
        subjects: number of subjects over all classes.
        images: slices per subject.
    """
    return [
        Item(Path(f"subject{subject:04d}") / str(index), CLASSES[subject % 4], f"{subject:04d}")
        for subject in range(subjects)
        for index in range(images)
    ]


def phantom(item: Item, seed: int) -> np.ndarray:
    """Draw the slice of an item.

    Args:
        item: one item of `phantom_items`.
        seed: seed of all subjects.

    Returns:
        (64, 64, 3) float32; the soft-tissue window maps to 0 to 1.
    """
    # The body is drawn from the subject alone: its slices are alike, as those of a patient are, so
    # that a split by image would leak.
    owner = np.random.default_rng((seed, int(item.subject)))
    body = _body(item.label, owner)
    rng = np.random.default_rng((seed, int(item.subject), 1 + int(item.path.name)))
    values = _slice(body, item.label, rng) + body.noise * _grain(rng)
    low = WINDOW[0] - WINDOW[1] / 2
    image = np.clip((values - low) / WINDOW[1], 0, 1).astype(np.float32)
    return np.repeat(image[..., None], 3, -1)


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
    """Return noise-free HU of air, fat, muscle, spine, spleen, liver and its lesion."""
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
    inside: np.ndarray = ((x - u) / a) ** 2 + ((y - v) / b) ** 2 <= 1
    return inside


def _grain(rng: np.random.Generator) -> np.ndarray:
    """Return noise of unit variance with the ramp-like spectrum of filtered back-projection."""
    frequency = np.fft.fftfreq(PIXELS)
    radius = np.hypot(*np.meshgrid(frequency, frequency))
    shaped = np.fft.fft2(rng.standard_normal((PIXELS, PIXELS))) * radius * np.exp(-4 * radius**2)
    grain: np.ndarray = np.fft.ifft2(shaped).real
    grain /= grain.std()
    return grain
