"""The coherent stage: mixtures without a reference, slow waves, and what the user is told."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import table
from known_networks import Scaled, events, snr
from scipy import fft

from scionwood import RecipeError
from scionwood_seismic.evaluation.light import judge
from scionwood_seismic.inference.beams import beams
from scionwood_seismic.inference.field import FieldResult, denoise_record
from scionwood_seismic.inference.mixture import NETWORK, mix
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.stage import name_noise
from scionwood_seismic.inference.waves import find_slow_waves

AUTO = DenoiseOptions(coherent="auto", gate="off")
SHAPE = 64, 384


def section() -> np.ndarray:
    """Return dipping layers with events of many depths."""
    wave = events(0.4, traces=SHAPE[0], samples=SHAPE[1])
    return wave + 0.7 * np.roll(wave, 61, axis=1) + 0.5 * np.roll(wave, 133, axis=1)


def swell(like: np.ndarray) -> np.ndarray:
    """Return noise far below the band of the events, independent from trace to trace."""
    white = np.random.default_rng(0).standard_normal(like.shape)
    slow = fft.irfft(fft.rfft(white) * np.exp(-((fft.rfftfreq(like.shape[1]) * 40) ** 2)))
    return like.std() * slow / slow.std()


def roll(like: np.ndarray) -> np.ndarray:
    """Return slow waves of a long period, from a source in the middle."""
    offset = np.abs(np.arange(like.shape[0]) - 30)[:, None]
    time = np.arange(like.shape[1])
    wave = np.zeros(like.shape)
    for delay, slow, period in ((20, 6.0, 34.0), (90, 7.0, 40.0), (160, 6.5, 36.0)):
        late = time - delay - slow * offset
        wave += np.exp(-((late / 40) ** 2)) * np.cos(2 * np.pi * late / period)
    return 1.5 * like.std() * wave / wave.std()


def denoised(noise: np.ndarray, options: DenoiseOptions = AUTO) -> FieldResult:
    """Denoise the section with noise by a network that changes nothing."""
    record = (section() + noise).astype(np.float32)
    return denoise_record(Scaled(1.0), record, options, dt=0.004, domain="stack")


class TestMixtures:
    def test_the_mixture_beats_a_network_that_takes_the_noise_for_signal(self):
        wave = section()
        record = (wave + swell(wave)).astype(np.float32)
        mixture = mix(record, beams(record, 12.0), lambda x: x)
        assert mixture.risk < mixture.network_risk
        assert all(weight > 0 for weight in mixture.weights.values())
        assert snr(wave, mixture(record)) > snr(wave, record) + 4

    def test_a_clean_record_is_nearly_kept(self):
        wave = section().astype(np.float32)
        mixture = mix(wave, beams(wave, 12.0), lambda x: x)
        assert snr(wave, mixture(wave)) > 25
        assert mixture.weights[NETWORK] > 0


class TestTheStage:
    def test_swell_goes_and_is_named(self):
        result = denoised(swell(section()))
        assert snr(section(), result.denoised) > 5
        stage = result.report.stage
        assert stage["noise"][0].startswith("below the band")
        assert stage["gain_db"] > 1
        line = judge(result.report.as_json(), AUTO).reason
        assert "noise below the band" in line
        assert "better than the network alone" in line

    def test_slow_waves_are_told_and_go_on_request(self):
        noise = roll(section())
        keep = denoised(noise)
        assert "--slow remove takes these out" in keep.report.stage["line"]
        remove = denoised(noise, DenoiseOptions(coherent="auto", slow="remove", gate="off"))
        assert snr(section(), remove.denoised) > snr(section(), keep.denoised) + 3

    def test_drift_that_hides_the_events_goes(self):
        time = np.linspace(-1, 1, SHAPE[1])
        sizes = np.random.default_rng(0).standard_normal((SHAPE[0], 1))
        drift = 3 * section().std() * sizes * np.sin(2 * time)
        assert snr(section(), denoised(drift).denoised) > snr(section(), section() + drift) + 10

    def test_the_gate_judges_the_mixture(self):
        result = denoised(swell(section()), DenoiseOptions(coherent="auto"))
        assert result.report.worst is not None
        assert result.report.worst > 0.8

    def test_dead_traces_keep_their_bits(self):
        record = (section() + swell(section())).astype(np.float32)
        record[7] = 0
        result = denoise_record(Scaled(1.0), record, AUTO, dt=0.004, domain="stack")
        assert not result.denoised[7].any()
        assert snr(np.delete(section(), 7, 0), np.delete(result.denoised, 7, 0)) > 5

    @table("traces", [3, 6])
    def test_few_traces_have_the_model_alone(self, traces):
        record = section()[:traces].astype(np.float32)
        result = denoise_record(Scaled(1.0), record, AUTO, dt=0.004, domain="stack")
        assert result.report.stage == {}


def test_one_kind_of_waves_is_not_taken_for_two():
    assert find_slow_waves(section()) is None


def test_noise_that_all_traces_share_is_named_first():
    shared = np.random.default_rng(0).standard_normal(SHAPE[1])
    assert name_noise(np.tile(shared, (SHAPE[0], 1)), 12.0)[0] == "common to all traces"


def test_slow_waves_need_the_stage():
    with pytest.raises(RecipeError, match="--coherent auto"):
        DenoiseOptions(slow="remove")
