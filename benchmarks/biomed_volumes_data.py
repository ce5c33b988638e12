"""Draw volumes of the MNI template with a grey lesion in some slices, for biomed_volumes.py.

Each volume is 16 axial slices of the template, deformed, with another brightness, gamma and bias
field. Half of them have a lesion over about three slices, at least two slices away from the middle
one. Healthy tissue of the same slice has its grey too.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import map_coordinates, zoom

SLICES, SIDE = 16, 128
MIDDLE = SLICES // 2


def template() -> np.ndarray:
    """Return the MNI template as (slice, row, column) from 0 to 1, axial, from the feet."""
    (path,) = Path(str(files("nilearn"))).glob("datasets/data/mni_icbm152_t1*.nii.gz")
    values = np.asarray(nib.load(path).dataobj, np.float32).squeeze()
    rotated: np.ndarray = np.transpose(values / values.max(), (2, 1, 0))[:, ::-1]
    return rotated


def volume(
    base: np.ndarray, rng: np.random.Generator, radius: float, *, sick: bool
) -> tuple[np.ndarray, int]:
    """Draw a volume.

    Args:
        base: the template, see `template`.
        rng: the source of all random numbers.
        radius: mean radius of the lesion in pixels.
        sick: whether there is a lesion.

    Returns:
        (slice, row, column) from 0 to 1, and the slice of the lesion or -1.
    """
    values, _, at = lesion_at(base, rng, radius, sick=sick)
    return values, at if sick else -1


def lesion_at(
    base: np.ndarray, rng: np.random.Generator, radius: float, *, sick: bool
) -> tuple[np.ndarray, np.ndarray, int]:
    """Draw a volume as `volume` does; the share of the lesion in each voxel comes second."""
    axes = (np.linspace(0, 1, SLICES), *(np.linspace(0, 1, SIDE),) * 2)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"))
    low = rng.normal(0, 0.02, (3, 4, 4, 4))
    warp = np.stack([zoom(x, (SLICES / 4, SIDE / 4, SIDE / 4), order=1) for x in low])
    grid = grid + warp
    grid[0] = 0.25 + rng.uniform(-0.03, 0.03) + grid[0] * 0.5
    scale, shift = 1 + rng.uniform(-0.06, 0.06), rng.uniform(-0.02, 0.02, (2, 1, 1, 1))
    grid[1:] = (grid[1:] - 0.5) * scale + 0.5 + shift
    corners = (np.array(base.shape) - 1)[:, None, None, None]
    values = map_coordinates(base, grid * corners, order=1, mode="constant")
    bias = zoom(rng.normal(0, 0.1, (3, 3, 3)), (SLICES / 3, SIDE / 3, SIDE / 3), order=1)
    brain = values > 0.25
    values = np.clip(values, 0, 1) ** rng.uniform(0.8, 1.25) * (1 + bias)
    blob, at = _blob(brain, radius, rng)
    if sick:
        level = np.quantile(values[at][brain[at]], rng.uniform(0.3, 0.5))
        values = np.where(brain, values * (1 - blob) + level * blob, values)
    noisy = np.clip(values + rng.normal(0, 0.02, values.shape), 0, 1.2) / 1.2
    return noisy.astype(np.float32), blob * brain, at


def _blob(brain: np.ndarray, mean: float, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Draw the share of the lesion in each voxel, and its slice."""
    places = [n for n in range(SLICES) if abs(n - MIDDLE) >= 2 and brain[n, 20:-20, 20:-20].any()]
    at = int(rng.choice(places))
    inside = np.argwhere(brain[at, 20:-20, 20:-20]) + 20
    row, column = inside[rng.integers(len(inside))]
    radius, thick = mean * rng.uniform(0.8, 1.25), rng.uniform(0.8, 1.4)
    long = radius * rng.uniform(0.7, 1.3)
    z, y, x = np.ogrid[:SLICES, :SIDE, :SIDE]
    far = ((z - at) / thick) ** 2 + 2 * (((y - row) / radius) ** 2 + ((x - column) / long) ** 2)
    return np.clip(1.6 * np.exp(-0.5 * far), 0, 1), at
