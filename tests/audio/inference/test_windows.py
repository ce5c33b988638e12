"""Blended windows: the pieces in which a recording comes change nothing."""

from __future__ import annotations

import numpy as np
import torch

from scionwood_audio.inference.windows import score_pieces


def level(samples: torch.Tensor) -> torch.Tensor:
    return samples.reshape(len(samples), -1, 320).mean(-1)


def test_windows_that_overlap_give_each_position_its_own_value():
    samples = np.repeat(np.arange(70, dtype=np.float32), 320)
    for hop in (3200, 1600, 960):
        assert np.allclose(score_pieces([samples], level, 3200, hop), np.arange(70), atol=1e-4)


def test_pieces_of_any_size_give_the_same_bits():
    samples = np.random.default_rng(0).normal(size=33_333).astype(np.float32)
    whole = score_pieces([samples], level, 3200, 960)
    for size in (160, 1237, 40_000):
        pieces = np.split(samples, range(size, len(samples), size))
        assert np.array_equal(score_pieces(pieces, level, 3200, 960), whole)
    assert len(whole) == -(-33_333 // 320)


def test_outputs_may_have_a_width():
    def wide(samples: torch.Tensor) -> torch.Tensor:
        return torch.stack([level(samples), -level(samples)], -1)

    samples = np.ones(8000, np.float32)
    found = score_pieces([samples], wide, 3200, 1600)
    assert found.shape == (25, 2)
    assert np.allclose(found, [1, -1])
