"""Slices that show tissue."""

from __future__ import annotations

import numpy as np

from scionwood_biomed.readers.tissue import otsu, slices_with_tissue

from .scans import BONE, air, body


def test_leaves_out_air_in_ct_by_its_hounsfield_units():
    volume = np.stack([air(), body(BONE, radius=0.2), body(BONE), body(BONE), air()])
    assert slices_with_tissue(volume, hounsfield=True).tolist() == [2, 3]  # 6 % of the fullest
    small = np.stack([air(), body(BONE, radius=0.4), body(BONE)])
    assert slices_with_tissue(small, hounsfield=True).tolist() == [1, 2]


def test_leaves_out_noise_in_other_volumes_by_otsus_threshold():
    rng = np.random.default_rng(0)
    volume = rng.rayleigh(10, (6, 32, 32))  # what magnitude images have outside of a head
    volume[2:4, 8:24, 8:24] += 200
    assert slices_with_tissue(volume, hounsfield=False).tolist() == [2, 3]


def test_keeps_every_slice_of_a_uniform_volume():
    assert slices_with_tissue(np.zeros((3, 4, 4)), hounsfield=False).tolist() == [0, 1, 2]
    assert slices_with_tissue(np.full((3, 4, 4), -1000.0), hounsfield=True).tolist() == [0, 1, 2]


def test_the_threshold_lies_between_two_peaks():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 1, 3000), rng.normal(10, 1, 1000)])
    assert 2.5 < otsu(values) < 7.5
