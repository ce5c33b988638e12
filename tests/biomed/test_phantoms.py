from __future__ import annotations

import numpy as np
import pytest

from scionwood_biomed.data.base import fitted
from scionwood_biomed.data.phantoms import (
    CLASSES,
    FIELD,
    PIXELS,
    WINDOW,
    Phantoms,
    phantom,
    phantom_items,
)


def hounsfield(item):
    shown = phantom(item, 0)[..., 0]
    return shown * WINDOW[1] + WINDOW[0] - WINDOW[1] / 2


def test_draws_shots_of_every_class():
    data = Phantoms(subjects=40, images=2, shots=3)
    parts = data.splits()
    owners = [{item.subject for item in part} for part in parts.values()]
    assert not owners[0] & owners[1] | owners[0] & owners[2] | owners[1] & owners[2]
    drawn = [item.label for item in parts["train"]]
    assert {name: drawn.count(name) for name in CLASSES} == dict.fromkeys(CLASSES, 3)


def test_base_and_novel_have_different_classes():
    base, novel = (Phantoms(classes=side).names() for side in ("base", "novel"))
    assert sorted(base + novel) == list(CLASSES)


def test_air_is_black_and_the_liver_is_brighter_than_its_cyst():
    cysts = [item for item in phantom_items(40, 1) if item.label == "liver cyst"]
    for item in cysts:
        values = hounsfield(item)
        assert values[0, 0] == pytest.approx(-160)  # below the window
        right = values[PIXELS // 3 : 2 * PIXELS // 3, PIXELS // 5 : PIXELS // 2]
        assert np.percentile(right, 75) > 80  # liver
        assert np.percentile(right, 2) < 60  # fluid, and noise


def test_calcified_lesion_is_brighter_than_the_window():
    item = next(item for item in phantom_items(8, 1) if item.label == "calcified lesion")
    values = hounsfield(item)
    assert (values[:, : PIXELS // 2] >= 239).sum() * (FIELD / PIXELS) ** 2 > 50  # mm2


def test_pictures_become_squares_without_stretching():
    wide = np.zeros((50, 100, 3), np.float32)
    wide[:, 50:] = 1
    image = fitted(wide, 25)
    assert image.shape == (3, 25, 25)
    assert image[0, :, :10].max() < 0.05
    assert image[0, :, -10:].min() > 0.95
