from __future__ import annotations

import numpy as np

from scionwood_biomed.data.base import fitted


def test_pictures_become_squares_without_stretching():
    wide = np.zeros((50, 100, 3), np.float32)
    wide[:, 50:] = 1
    image = fitted(wide, 25)
    assert image.shape == (3, 25, 25)
    assert image[0, :, :10].max() < 0.05
    assert image[0, :, -10:].min() > 0.95
