"""Weights that harm are restored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scionwood_seismic.inference.rollback import keep_or_restore, recovered_amplitude


class Gain(nn.Module):
    """A model that returns a share of its input."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.tensor(share))

    def forward(self, x: Tensor) -> Tensor:
        return self.share * x


@pytest.fixture
def gathers() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((32, 128)).astype(np.float32) for _ in range(2)]


def decide(now: float, before: float, gathers: list[np.ndarray], noise: float | None = None) -> str:
    model = Gain(now)
    verdict = keep_or_restore(model, {"share": torch.tensor(before)}, gathers, noise)
    assert model.share.item() == pytest.approx(before if "rolled back" in verdict else now)
    return verdict


def test_weights_that_take_amplitude_are_restored(gathers: list[np.ndarray]) -> None:
    verdict = decide(0.6, 0.9, gathers)
    assert verdict.startswith("rolled back: strong events lost amplitude")
    assert "energy removed 1% before, 16% after" in verdict


def test_weights_without_harm_are_kept(gathers: list[np.ndarray]) -> None:
    assert decide(0.99, 0.98, gathers).startswith("kept; recovered amplitude 0.98 before, 0.99")


def test_weights_that_remove_more_than_the_noise_are_restored(gathers: list[np.ndarray]) -> None:
    verdict = decide(1.3, 0.99, gathers, noise=0.01)
    assert verdict.startswith("rolled back: 1% of the energy is noise")


def test_the_recovered_amplitude_is_that_of_the_model(gathers: list[np.ndarray]) -> None:
    assert recovered_amplitude(Gain(0.7), gathers[0]) == pytest.approx(0.7, abs=0.02)
