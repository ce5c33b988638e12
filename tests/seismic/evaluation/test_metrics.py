"""Measures and classical methods agree with an independent formula, or with a known result."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from case_table import table
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from scionwood_seismic.evaluation import metrics
from scionwood_seismic.evaluation.baselines import METHODS, bandpass, fx_ssa
from scionwood_seismic.synth.mixture import corrupt
from scionwood_seismic.synth.signal import draw_gather


@pytest.fixture
def clean() -> torch.Tensor:
    return torch.from_numpy(draw_gather(np.random.default_rng(1), (96, 128))).double()


@pytest.fixture
def noisy(clean: torch.Tensor) -> torch.Tensor:
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)).double()
    return clean + 0.5 * noise


def test_snr_and_psnr_follow_their_formulas(clean, noisy):
    s, d = clean.numpy(), noisy.numpy()
    assert metrics.snr(clean, noisy) == pytest.approx(
        10 * np.log10((s**2).sum() / ((s - d) ** 2).sum())
    )
    reference = peak_signal_noise_ratio(s, d, data_range=np.ptp(s))
    assert metrics.psnr(clean, noisy) == pytest.approx(reference)


def test_one_scale_equals_the_ssim_of_scikit_image(clean, noisy):
    """A gather of 21 samples has one scale."""
    s, d = clean[40:61, 50:71], noisy[40:61, 50:71]
    reference = structural_similarity(
        s.numpy(),
        d.numpy(),
        data_range=np.ptp(s.numpy()),
        gaussian_weights=True,
        use_sample_covariance=False,
        win_size=11,
    )
    assert metrics.ms_ssim(s, d) == pytest.approx(reference, rel=1e-5)


def test_scales_multiply_as_in_wang_2003(clean, noisy):
    """Contrast and structure at each halving, luminance at the last; weights sum to 1."""
    s, d = clean.numpy(), noisy.numpy()
    span = np.ptp(s)
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363])  # 96 samples: four scales
    expected = 1.0
    for level, weight in enumerate(weights / weights.sum()):
        both = structural_similarity(
            s, d, data_range=span, gaussian_weights=True, use_sample_covariance=False,
            win_size=11, full=True,
        )[1][5:-5, 5:-5]  # fmt: skip
        if level < 3:
            ms, md = (scipy.ndimage.gaussian_filter(x, 1.5, truncate=3.5)[5:-5, 5:-5]
                      for x in (s, d))  # fmt: skip
            k = (0.01 * span) ** 2
            both = both / ((2 * ms * md + k) / (ms**2 + md**2 + k))
        expected *= both.mean() ** weight
        s, d = (x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2).mean((1, 3)) for x in (s, d))
    assert metrics.ms_ssim(clean, noisy) == pytest.approx(expected, rel=1e-4)


@table("shape", [(5, 9), (16, 16), (32, 48), (176, 200)])
def test_equal_gathers_of_any_size_have_similarity_one(shape):
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(metrics.ms_ssim(x, x), torch.ones(3))
    assert (metrics.ms_ssim(x, torch.zeros_like(x)) < 0.9).all()


def test_kurtosis_equals_that_of_scipy(noisy):
    expected = scipy.stats.kurtosis(noisy.numpy().ravel())
    assert metrics.kurtosis(noisy) == pytest.approx(expected)
    sample = torch.from_numpy(np.random.default_rng(0).laplace(size=(400, 400)))
    assert metrics.kurtosis(sample) == pytest.approx(3, abs=0.2)


def test_amplitude_ratio(clean):
    assert metrics.amplitude_ratio(clean, -0.8 * clean) == pytest.approx(0.8)


class TestLocalSimilarity:
    def test_solves_the_shaped_least_squares(self, clean, noisy):
        """A direct solve of Fomel (2007), equation 6, on a small piece."""
        a, b = clean[60:72, 40:54], noisy[60:72, 40:54]
        similarity = metrics.local_similarity(a, b, radius=3, steps=200)
        c1, c2 = _direct(a.numpy(), b.numpy(), 3), _direct(b.numpy(), a.numpy(), 3)
        expected = np.minimum(1, np.sqrt(np.abs(c1 * c2)))
        np.testing.assert_allclose(similarity.numpy(), expected, atol=1e-4)

    def test_is_high_for_proportional_and_low_for_unrelated(self, noisy):
        other = torch.randn(noisy.shape, generator=torch.Generator().manual_seed(9)).double()
        white = torch.randn(noisy.shape, generator=torch.Generator().manual_seed(8)).double()
        assert metrics.local_similarity(white, -3 * white).mean() > 0.95
        assert metrics.local_similarity(white, other).mean() < 0.12

    def test_is_zero_for_gathers_of_zeros(self, noisy):
        assert not metrics.local_similarity(noisy, torch.zeros_like(noisy)).any()


def test_leakage_rises_if_signal_is_removed(clean, noisy):
    honest = metrics.leakage(noisy.numpy(), clean.numpy())
    lossy = metrics.leakage(noisy.numpy(), 0.6 * clean.numpy())
    assert lossy["local similarity"] > honest["local similarity"] + 0.1
    assert honest["energy removed"] == pytest.approx(0.2, abs=0.02)
    assert lossy["MS-SSIM-R"] > honest["MS-SSIM-R"]
    assert math.isfinite(honest["kurtosis"])


def _direct(a: np.ndarray, b: np.ndarray, radius: int) -> np.ndarray:
    """`c = [l I + S (A^2 - l)]^-1 S A b`, S = H H, with the smoother as a dense matrix."""

    def triangle(n: int) -> np.ndarray:
        weights = np.bartlett(2 * radius + 1)[1:-1] / radius
        unit = np.eye(n)
        return np.stack([scipy.ndimage.convolve1d(row, weights, mode="reflect") for row in unit])

    smoother = np.kron(triangle(a.shape[0]), triangle(a.shape[1]))
    s, x, y = smoother @ smoother, a.ravel(), b.ravel()
    level = (x**2).mean()
    system = level * np.eye(x.size) + s @ np.diag(x**2 - level)
    return np.linalg.solve(system, s @ (x * y)).reshape(a.shape)


DT = 0.002


def snr(clean: np.ndarray, estimate: np.ndarray) -> float:
    return float(10 * np.log10((clean**2).sum() / ((clean - estimate) ** 2).sum()))


def sine(frequency: float) -> np.ndarray:
    return np.tile(np.sin(2 * np.pi * frequency * np.arange(500) * DT), (3, 1))


def test_the_band_pass_keeps_its_band_without_a_shift():
    inside = bandpass(sine(30), DT)
    np.testing.assert_allclose(inside[:, 100:-100], sine(30)[:, 100:-100], atol=0.02)
    assert np.abs(bandpass(sine(2), DT)[:, 100:-100]).max() < 0.01
    assert np.abs(bandpass(sine(200), DT)[:, 100:-100]).max() < 0.01


def test_rank_reduction_keeps_as_many_plane_waves_as_its_rank():
    x, f = np.arange(48), np.fft.rfftfreq(128, DT)
    spectrum = sum(np.exp(-2j * np.pi * np.outer(x * delay, f)) for delay in (0.0, 1e-3, -2e-3))
    spectrum[:, (f < 10) | (f > 60)] = 0
    waves = np.fft.irfft(spectrum, 128, axis=1)
    assert snr(waves, fx_ssa(waves, DT, rank=3, window=24)) > 100
    assert snr(waves, fx_ssa(waves, DT, rank=2, window=24)) < 30


@table("shape", [(20, 30), (70, 64), (256, 256)])
@table("name", METHODS)
def test_every_method_accepts_any_size(name, shape):
    data = np.random.default_rng(0).standard_normal(shape)
    assert METHODS[name](data, DT).shape == shape


def test_methods_reach_their_known_snr_on_white_noise():
    """Means over four gathers: band-pass above 4 dB, f-k above 5.5, f-x rank reduction above 7."""
    scores: dict[str, list[float]] = {name: [] for name in METHODS}
    for seed in range(4):
        rng = np.random.default_rng(seed)
        clean = draw_gather(rng, (256, 256)).astype(float)
        noisy = corrupt(rng, clean, "white", 0.0)
        for name, method in METHODS.items():
            scores[name].append(snr(clean, method(noisy, DT)))
    means = {name: np.mean(values) for name, values in scores.items()}
    assert means["identity"] == pytest.approx(0, abs=0.01)
    assert means["band-pass"] > 4
    assert means["f-k"] > 5.5
    assert means["f-x SSA"] > 7
