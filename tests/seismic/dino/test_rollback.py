"""Where the noise is found without signal, and that weights which harm are restored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from case_table import table
from known_networks import events
from torch import Tensor, nn

from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.dino.noise_window import find_noise_window
from scionwood_seismic.dino.rollback import keep_or_restore, recovered_amplitude
from scionwood_seismic.synth.signal import draw_gather


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
    noise = 0.05 * rng.standard_normal((2, 32, 256))
    return [(events(slope, traces=32) + noise[i]).astype("f4") for i, slope in enumerate((0, 0.4))]


@table(
    ("now", "before", "noise_share", "said"),
    [
        (0.6, 0.9, None, "rolled back: strong events lost amplitude"),
        (0.99, 0.98, None, "kept; recovered amplitude 0.98 before, 0.99"),
        (1.3, 0.99, 0.01, "rolled back: 1% of the energy is noise"),
    ],
)
def test_weights_that_take_amplitude_or_more_than_the_noise_are_restored(
    gathers, now, before, noise_share, said
):
    model = Gain(now)
    verdict = keep_or_restore(model, {"share": torch.tensor(before)}, gathers, noise_share)
    assert verdict.startswith(said)
    assert model.share.item() == pytest.approx(before if "rolled back" in verdict else now)
    assert now != 0.6 or "energy removed 1% before, 16% after" in verdict


def test_the_recovered_amplitude_is_that_of_the_model(gathers):
    assert recovered_amplitude(Gain(0.7), gathers[0]) == pytest.approx(0.7, abs=0.02)


SHAPE = (64, 256)


def noise(level: float) -> np.ndarray:
    return level * np.random.default_rng(0).standard_normal(SHAPE)


def signal(start: int) -> np.ndarray:
    """Events of unit RMS from a sample on."""
    events = draw_gather(generator(1, "test", 0), (SHAPE[0], SHAPE[1] - start))
    return np.pad(events, ((0, 0), (start, 0)))


def test_the_part_before_the_first_arrivals_is_found():
    gather = noise(0.1)
    gather[:, 100:] += np.sin(np.arange(SHAPE[1] - 100) / 2)
    window = find_noise_window(gather)
    assert window.how == "before the first arrivals"
    assert not window.where[:, 100:].any()
    assert window.where[:, :80].all()


@table("level", [0.5, 1.0, 2.0])
def test_the_quietest_part_has_the_level_of_the_noise(level):
    gather = signal(0) + noise(level)
    window = find_noise_window(gather)
    assert gather[window.where].std() == pytest.approx(level, rel=0.08)


def test_a_gather_full_of_signal_or_too_small_has_no_window():
    time = np.arange(SHAPE[1]) + 0.3 * np.arange(SHAPE[0])[:, None]
    assert find_noise_window(np.sin(time / 2) + noise(0.05)) is None
    shared = np.ones((SHAPE[0], 1)) * noise(1.0)[:1]
    assert find_noise_window(shared) is None, "noise of all traces is not told from signal"
    assert find_noise_window(noise(1.0)[:1, :20]) is None
    assert find_noise_window(noise(1.0)[:3, :60]) is None
