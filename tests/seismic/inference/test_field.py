"""The field pipeline: what survives, what is blended, and what passes through."""

from __future__ import annotations

import numpy as np
import pytest
from case_table import table
from known_networks import Noisy, Scaled, Silent, WithoutFlat, events, snr

from scionwood import Task, load_run
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.options import DenoiseOptions

OFF, REPORT = DenoiseOptions(gate="off"), DenoiseOptions(gate="report")


@pytest.fixture(scope="module")
def shot() -> Task:
    return load_run("seismic/shot")


def white(like: np.ndarray) -> np.ndarray:
    """Noise of the strength of a gather."""
    noise = np.random.default_rng(0).standard_normal(like.shape) * like.std()
    return noise.astype(np.float32)


class TestTheGate:
    def test_a_network_that_changes_nothing_gives_the_input_bit_for_bit(self):
        gather = events(0.3)
        result = denoise_record(Scaled(1.0), gather, dt=0.004, domain="shot")
        assert result.denoised.tobytes() == gather.tobytes()
        assert all(v == pytest.approx(1) for v in result.report.recovered.values())
        assert result.report.reason == ""

    def test_the_amplitude_that_comes_back_is_the_one_that_the_network_keeps(self):
        report = denoise_record(
            Scaled(0.6),
            events(0.3, traces=96, samples=512),
            dt=0.004,
            domain="shot",
            options=REPORT,
        )
        kinds = report.report.recovered
        assert {"strong own", "strong steep", "weak fault"} <= kinds.keys()
        assert all(value == pytest.approx(0.6, abs=0.02) for value in kinds.values())
        assert all(
            event.amplitude == pytest.approx(0.6, abs=0.03) for event in report.report.places
        )

    def test_a_result_that_loses_too_much_is_blended_up_to_the_limit(self):
        gather = events(0.3)
        result = denoise_record(Scaled(0.6), gather, dt=0.004, domain="shot")
        ratio = (result.denoised * gather).sum() / np.square(gather).sum()
        assert ratio == pytest.approx(0.85, abs=0.02)
        assert result.report.worst == pytest.approx(0.85, abs=0.001)
        assert "(limit 0.85)" in result.report.reason

    @table("network", [Scaled(0.1), Silent(), Scaled(-1.0)])
    def test_a_harmful_network_leaves_the_input_bit_for_bit(self, network):
        gather = events(0.3)
        result = denoise_record(network, gather, dt=0.004, domain="shot")
        assert result.denoised.tobytes() == gather.tobytes()
        assert result.report.passed_through
        assert "(limit 0.85)" in result.report.reason

    def test_loss_of_flat_events_is_found_in_a_gather_of_flat_events(self):
        gather = events(0.0)
        options = DenoiseOptions(gate="report")
        report = denoise_record(WithoutFlat(), gather, options, dt=0.004, domain="shot").report
        assert report.recovered["strong own"] < 0.2
        assert denoise_record(WithoutFlat(), gather, dt=0.004, domain="shot").report.passed_through

    def test_the_limit_of_strong_events_is_an_option(self):
        gather = events(0.3)
        loose = DenoiseOptions(strong=0.5)
        result = denoise_record(Scaled(0.6), gather, dt=0.004, domain="shot", options=loose)
        np.testing.assert_allclose(result.denoised, 0.6 * gather, atol=0.02)

    def test_no_energy_is_added_outside_the_band(self):
        gather = events(0.3)
        result = denoise_record(Noisy(), gather, dt=0.004, domain="shot", options=OFF)
        before, after = (np.abs(np.fft.rfft(x)) ** 2 for x in (gather, result.denoised))
        top = int(0.4 * 256)
        assert after[:, top:].sum() < 2 * before[:, top:].sum() + 1e-9 * before.sum()
        assert result.report.added > 1e-4

    def test_the_same_gather_has_the_same_result(self, shot):
        noisy = events(0.3) + white(events(0.3))
        one, other = (denoise_record(shot, noisy, dt=0.004, domain="shot") for _ in range(2))
        assert one.denoised.tobytes() == other.denoised.tobytes()
        assert one.report == other.report


class TestTheShippedModel:
    def test_amplitudes_are_kept(self, shot):
        gather = events(0.3) + white(events(0.3))
        expected = denoise_record(shot, gather, dt=0.004, domain="shot").denoised
        for factor in (1e-9, 1e6):
            scaled = gather * np.float32(factor)
            result = denoise_record(shot, scaled, dt=0.004, domain="shot").denoised / factor
            assert np.abs(result - expected).max() <= 1e-3 * np.abs(expected).max()

    @table("base", ["offset", "trend", "drift"])
    def test_offset_trend_and_drift_survive(self, shot, base):
        gather = events(0.3)
        time = np.linspace(-1, 1, gather.shape[1])
        line = {"offset": 0 * time + 5, "trend": 5 * time, "drift": 5 * np.sin(2 * time)}[base]
        shifted = (gather + line).astype(np.float32)
        result = denoise_record(shot, shifted, dt=0.004, domain="shot").denoised
        assert snr(gather, result - line) > 15
        assert abs(result.mean() - shifted.mean()) < 1e-3


class TestWhatIsNoSignal:
    def test_dead_clipped_and_broken_traces_keep_their_bits(self):
        gather = events(0.3)
        gather[3], gather[4], gather[5, 7], gather[6, 8] = 0, -7.25, np.nan, np.inf
        gather[7] = np.clip(5 * gather[7], -0.4, 0.4)
        result = denoise_record(Scaled(0.9), gather, dt=0.004, domain="shot")
        assert result.denoised[3:8].tobytes() == gather[3:8].tobytes()
        assert result.report.left == {"dead or not finite": 4, "clipped": 1}
        assert (result.denoised[8:] != gather[8:]).any(axis=1).all()

    def test_mutes_and_gaps_stay_zero(self, shot):
        gather = events(0.3) + white(events(0.3))
        gather[:, :40], gather[10:14, 100:140] = 0, 0
        result = denoise_record(shot, gather, dt=0.004, domain="shot").denoised
        assert not result[:, :40].any()
        assert not result[10:14, 100:140].any()
        assert (result != gather).mean() > 0.5

    def test_the_common_mode_goes_only_on_request(self, shot):
        gather = events(1.0)
        common = np.sin(np.arange(256) / 3).astype(np.float32)
        kept = denoise_record(shot, gather + common, dt=0.004, domain="shot").denoised
        gone = denoise_record(
            shot, gather + common, dt=0.004, domain="shot", options=DenoiseOptions(common_mode=True)
        ).denoised
        share = [float((x @ common).mean() / (common @ common)) for x in (kept, gone)]
        assert share[0] > 0.85
        assert abs(share[1]) < 0.1


@table(
    ("gather", "reason"),
    [
        (np.zeros((8, 64)), "no live trace"),
        (events(0.3)[:2], "2 live traces, and shot needs 3"),
        (events(0.3)[:, :20], "20 samples a trace, and a model needs 32"),
        (np.sign(events(0.3)), "48 of 48 live traces are clipped"),
        (np.sin(np.arange(300) / 60) + np.zeros((8, 1)), "its dominant period is"),
    ],
)
def test_passes_through_what_no_model_is_made_for(gather, reason):
    gather = gather.astype(np.float32)
    result = denoise_record(Silent(), gather, dt=0.004, domain="shot")
    assert result.denoised.tobytes() == gather.tobytes()
    assert result.report.passed_through
    assert reason in result.report.reason


def test_components_of_a_station_are_at_most_three():
    result = denoise_record(Silent(), events(0.3), dt=0.01, domain="station")
    assert "1 to 3 components of one station" in result.report.reason
