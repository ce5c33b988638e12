"""The effect of a trained recipe on amplitudes, clean gathers and signal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from scionwood import fit, load_run
from scionwood.recipes.recipe import resolve
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.evaluation import metrics
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.noise import NOISES
from scionwood_seismic.synth.signal import draw_gather

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SHAPE = (256, 256)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> nn.Module:
    """A model after some minutes of training."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    return load_run(fit(resolve("seismic/denoise"), run_dir=folder)).backbone


def pairs() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield two gathers of each noise class at 0 dB, with a seed that no recipe uses."""
    for index in range(2 * len(NOISES)):
        rng, kind = generator(3000, "test", index), list(NOISES)[index % len(NOISES)]
        clean = draw_gather(rng, SHAPE)
        yield kind, corrupt(rng, clean, kind, 0.0), clean


def snr(clean: np.ndarray, estimate: np.ndarray) -> float:
    return float(metrics.snr(*(torch.from_numpy(x.astype(np.float64)) for x in (clean, estimate))))


def test_every_noise_class_gains_snr_and_amplitudes_are_kept(model):
    ratios: dict[str, list[float]] = {kind: [] for kind in NOISES}
    for kind, noisy, clean in pairs():
        estimate = denoise_array(model, noisy)
        assert snr(clean, estimate) > 5, kind
        ratios[kind].append(float(np.std(estimate) / np.std(clean)))
    assert all(0.9 <= np.mean(ratio) <= 1.1 for ratio in ratios.values()), ratios
