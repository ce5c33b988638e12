"""Adaptation to a gather changes the removed part, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from case_table import table
from torch import nn

from scionwood import AdapterError, load_run
from scionwood_seismic.backbones import dinov3_unet
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.dino.adaptation import Adaptation, Adapter
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.signal import draw_gather

DT, QUIET, SHAPE = 0.002, 24, (48, 88)
TIME = DT * np.arange(SHAPE[1])
MATCHED = Adaptation(window=(0.0, QUIET * DT), steps=3)
KURTOSIS = Adaptation(objective="kurtosis", steps=3, enough=0.0)


@pytest.fixture(scope="module")
def model(run: Path) -> nn.Module:
    """A denoiser after two steps of training: it removes about half of everything.

    One for all tests, since each adaptation restores it.
    """
    return load_run(run).backbone


def record(noise: str = "ambient", index: int = 0) -> np.ndarray:
    """A noisy gather with a signal-free start."""
    rng = generator(7, "test", index)
    events = draw_gather(rng, (SHAPE[0], SHAPE[1] - QUIET), kind="vsp")
    return corrupt(rng, np.pad(events, ((0, 0), (QUIET, 0))), noise, 0.0)


def assert_restored(model: nn.Module, before: dict[str, torch.Tensor]) -> None:
    """Every tensor has its bits of before, and nothing is left of the training."""
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(p.requires_grad or p.grad is not None for p in model.parameters())


def test_restores_every_tensor_bit_for_bit(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    Adapter(model, replace(KURTOSIS, tolerance=1.0)).denoise(record("white"), TIME)
    assert_restored(model, before)


def test_a_result_depends_neither_on_previous_gathers_nor_on_the_unit(model):
    adapter = Adapter(model, replace(MATCHED, tolerance=1.0))
    alone, _ = adapter.denoise(record(index=1), TIME)
    million, _ = adapter.denoise(record(index=1) * np.float32(1e6), TIME)
    again, _ = adapter.denoise(record(index=1), TIME)
    np.testing.assert_array_equal(alone, again)
    np.testing.assert_allclose(million / 1e6, alone, atol=1e-3 * np.abs(alone).max())


def test_restores_the_weights_after_an_error(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def fail(share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Adapter(model, replace(MATCHED, tolerance=1.0)).denoise(record(), TIME, progress=fail)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@table(
    ("options", "noise", "verdict"),
    [
        (replace(MATCHED, enough=1e9), "ambient", "matched already"),
        (replace(MATCHED, tolerance=-9.0), "ambient", "rolled back: "),
        (replace(MATCHED, steps=0), "ambient", "rolled back: no step was better"),
        (replace(MATCHED, window=None), "common_mode", "refused: no part of the gather is free"),
        (replace(KURTOSIS, window=None), "common_mode", "refused: no part of the gather is free"),
        (replace(MATCHED, window=(0.0, 0.006)), "ambient", "refused: the noise window holds"),
        (MATCHED, "erratic", "refused: kurtosis "),
        (KURTOSIS, "erratic", "refused: kurtosis "),
        (replace(KURTOSIS, window=(0.0, QUIET * DT)), "erratic", "refused: kurtosis "),
    ],
)
def test_without_adaptation_the_result_is_that_of_the_run(model, options, noise, verdict):
    noisy = record(noise)
    result, outcome = Adapter(model, options).denoise(noisy, TIME)
    assert outcome.verdict.startswith(verdict)
    assert outcome.steps == 0
    np.testing.assert_array_equal(result, denoise_array(model, noisy))


def test_the_noise_is_judged_where_there_is_no_signal(model):
    rng = generator(7, "test", 5)
    events = 8 * draw_gather(rng, (SHAPE[0], SHAPE[1] - QUIET), kind="vsp")
    noisy = np.pad(events, ((0, 0), (QUIET, 0)))
    noisy[:, QUIET + 5] *= 30  # a gather with a large kurtosis
    noisy = (noisy + rng.standard_normal(SHAPE)).astype(np.float32)
    options = replace(MATCHED, window=None, tolerance=1.0)
    _, outcome = Adapter(model, options).denoise(noisy, TIME)
    assert outcome.verdict == "adapted"
    assert outcome.window.startswith("the quietest part")
    assert f"objective {outcome.before:.3f} before, {outcome.after:.3f} after" in str(outcome)


def test_a_window_that_is_almost_silent_leaves_nothing_to_adapt_to(model):
    rng = generator(7, "test", 6)
    events = draw_gather(rng, (SHAPE[0], SHAPE[1] - QUIET), kind="vsp")
    clean = np.pad(events, ((0, 0), (QUIET, 0)))
    noisy = (clean + 1e-4 * rng.standard_normal(SHAPE)).astype(np.float32)
    _, outcome = Adapter(model, MATCHED).denoise(noisy, TIME)
    assert outcome.verdict.startswith("refused: the noise window is almost silent")


def test_dead_traces_stay_as_they_are(model):
    noisy = record()
    noisy[3], noisy[5, 7] = 0.0, np.nan
    result, outcome = Adapter(model, replace(MATCHED, tolerance=1.0)).denoise(noisy, TIME)
    assert outcome.verdict == "adapted"
    np.testing.assert_array_equal(result[[3, 5]], noisy[[3, 5]].astype(np.float32))


def test_refuses_a_run_without_lora():
    with pytest.raises(AdapterError, match="has none"):
        Adapter(dinov3_unet(), MATCHED)
