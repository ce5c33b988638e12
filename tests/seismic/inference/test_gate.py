"""What the harm gate measures and decides: lost signal goes back before anything is blended."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from case_table import table
from known_networks import Scaled, Smoothed, WithoutSimilarity, events, snr
from rich.console import Console
from scipy.ndimage import gaussian_filter1d

from scionwood_seismic.evaluation.gather_qc import measure
from scionwood_seismic.evaluation.light import judge, lights, print_verdicts
from scionwood_seismic.evaluation.panels import Geometry, Result
from scionwood_seismic.evaluation.qc_page import QcPage, render_qc
from scionwood_seismic.inference import envelope
from scionwood_seismic.inference.decision import decide
from scionwood_seismic.inference.events import slopes_of
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.tiles import TILES
from scionwood_seismic.inference.wavelets import band_of, keeping_events, wavelet_of
from scionwood_seismic.synth.canonical import Plan, coherent_spectrum

LIMITS = DenoiseOptions()


def near(shape: tuple[int, int], traces: float) -> np.ndarray:
    """Return noise that some neighbouring traces share, of unit deviation."""
    noise = np.random.default_rng(0).standard_normal(shape)
    smooth = np.exp(-((np.arange(-8, 9) / traces) ** 2))
    shared = np.apply_along_axis(lambda x: np.convolve(x, smooth, "same"), 0, noise)
    result: np.ndarray = (shared / shared.std()).astype(np.float32)
    return result


@table(
    ("plain", "mended", "removed", "back", "share", "said"),
    [
        ({"strong flat": 0.9, "weak flat": 0.96}, {}, 0.05, 0, 1, ""),
        (
            {"strong flat": 0.75, "strong slope": 0.9},
            {"strong flat": 0.95, "strong slope": 1.0},
            0.5,
            0.5,  # only as much as the limit asks for
            1,
            "keep 0.75 of their amplitude",
        ),
        ({"strong flat": 0.5}, {"strong flat": 0.7}, 0.5, 1, 0.5, ""),  # what is missing is blended
        ({"weak flat": 0.93}, {"weak flat": 0.97}, 0.05, 0.5, 1, ""),
        ({"weak flat": 0.93}, {"weak flat": 0.97}, 0.5, 0, 1, ""),  # weak events do not count
        ({"strong flat": 0.1}, {"strong flat": 0.05}, 0.5, None, 0, ""),  # they cannot come back
    ],
    ids=["within", "put back", "blended", "weak, little", "weak, much", "harmed"],
)
def test_the_gate_puts_back_what_the_limits_ask_for_and_blends_the_rest(
    plain, mended, removed, back, share, said
):
    decision = decide(plain, mended, removed, LIMITS)
    assert decision.share == pytest.approx(share)
    assert back is None or decision.back == pytest.approx(back)
    assert said in decision.reason
    if not mended:
        assert decision.reason == ""
    if said:
        assert decision.amplitudes["strong flat"] == pytest.approx(0.85)
        assert "lost signal was put back" in decision.reason


class TestWhatResemblesTheResult:
    def test_a_factor_is_undone(self):
        gather = events(0.3)
        lost = envelope.resembling(gather, 0.3 * gather, 12.0)
        assert snr(0.3 * gather, lost) > 15

    def test_noise_stays_removed(self):
        gather = events(0.3)
        noise = np.random.default_rng(0).standard_normal(gather.shape).astype(np.float32)
        noise *= gather.std()
        lost = envelope.resembling(gather + noise, noise, 12.0)
        assert np.square(lost).sum() < 0.05 * np.square(noise).sum()

    def test_crops_are_treated_one_by_one(self):
        crops = np.stack([events(0.3), events(0.0)])
        both = envelope.resembling(crops, 0.3 * crops, 12.0)
        for crop, lost in zip(crops, both, strict=True):
            np.testing.assert_allclose(lost, envelope.resembling(crop, 0.3 * crop, 12.0), atol=1e-5)

    def test_a_network_that_shrinks_events_is_mended_without_a_blend(self):
        gather = events(0.3)
        result = denoise_record(
            Scaled(0.75), gather, dt=0.004, domain="shot", options=WithoutSimilarity(weak=0.5)
        )
        assert result.report.share == 1
        assert result.report.worst == pytest.approx(0.85, abs=1e-6)


def test_the_amplitude_of_flat_events_is_measured_and_that_of_noise_is_not():
    for traces in (18, 48):
        gather = events(0.0, traces=traces)
        kept = envelope.flat_amplitude(gather, 0.4 * gather)
        assert kept == pytest.approx(0.6, abs=0.01)
    for width in (1.0, 3.0):  # noise that a few neighbours share
        noise = near((96, 400), width)
        assert envelope.flat_amplitude(noise, noise) is None
    few = events(0.0, traces=10)
    assert envelope.flat_amplitude(few, few) is None


def test_noise_of_a_few_neighbours_has_little_of_the_band_of_events():
    noise = gaussian_filter1d(near((64, 400), 1.5).astype(np.float64), 2.0, axis=1)
    gather = events(0.1, traces=64, samples=400).astype(np.float64)
    for record, least, most in ((noise, 0.0, 0.6), (gather, 0.8, 1.2)):
        one, four = (coherent_spectrum(record, apart=apart)[0].sum() for apart in (1, 4))
        assert least <= four / one <= most


def test_a_plan_has_the_samples_that_the_band_of_events_needs():
    gather = events(0.3, traces=64, samples=512)
    coarse = Plan(24.0, 0.2, True, 512)
    band = band_of(gather)
    assert wavelet_of(band, coarse)[1] > 0.05
    steps, band = keeping_events(gather, band, coarse, 0.05)
    assert coarse.factor < steps.factor <= 1
    assert wavelet_of(band, steps)[1] <= 0.05
    assert keeping_events(gather, band, steps, 0.05)[0] == steps


def test_noise_that_goes_on_in_quiet_parts_makes_no_plan_finer():
    """Channels of a fibre share it; the event is in one part of the record only."""
    rng = np.random.default_rng(0)
    shared = gaussian_filter1d(rng.standard_normal((64, 512)), 2.0, axis=0)
    high = np.diff(shared, axis=1, prepend=0)
    event = events(0.3, traces=64, samples=512, period=24)
    event[:, 110:] = 0
    record = event / event.std() + high / high.std()
    coarse = Plan(24.0, 0.5, True, 512)
    band = band_of(record)
    assert wavelet_of(band, coarse)[1] > 0.15
    steps, band = keeping_events(record, band, coarse, 0.15)
    assert steps == coarse
    assert wavelet_of(band, steps)[1] < 0.15


def test_a_green_gather_says_that_lost_signal_was_put_back():
    """A network that takes a quarter of each event: on the line, in the count, on the page."""
    gate = WithoutSimilarity(weak=0.5)
    rows = []
    for factor in (0.75, 0.98):
        made = denoise_record(Scaled(factor), events(0.3), dt=0.004, domain="shot", options=gate)
        assert made.report.share == 1
        rows.append({"gather": f"fldr {factor}", **made.report.as_json()})
    verdicts = [judge(row, gate) for row in rows]
    assert [verdict.light for verdict in verdicts] == ["green", "green"]
    assert [verdict.mended for verdict in verdicts] == [True, False]
    assert "keep 0.75 of their amplitude" in str(verdicts[0])
    assert "put back" not in str(verdicts[1])
    assert lights(verdicts)["mended"] == 1
    out = io.StringIO()
    print_verdicts(verdicts[::-1], Console(file=out, width=200))
    lines = out.getvalue().splitlines()
    assert "fldr 0.75" in lines[0]
    assert "2 green (0 passed through unchanged, lost signal was put back in 1)" in lines[-1]
    gathers = [events(0.3), 0.98 * events(0.3)]
    row = measure(Result(*gathers, Geometry()))
    page = render_qc(
        QcPage("file", [replace(row, verdict=verdict) for verdict in verdicts], 2, [], {})
    )
    assert page.count("green, lost signal put back") == 1
    assert "1 gathers are green after lost signal was put back" in page


@pytest.mark.parametrize("domain", ["shot", "station"])
def test_the_gate_measures_alike_whatever_the_tiles(domain, monkeypatch):
    """A filter over 9 traces (or samples) has one amplitude, also in a network of large tiles."""
    if domain == "station":
        record = np.random.default_rng(0).standard_normal((3, 3000)).astype(np.float32)
        record = gaussian_filter1d(record, 6.0, axis=1).astype(np.float32)
    else:
        record = np.concatenate([events(s, traces=64) for s in (0.0, 0.9, -0.6, 0.4)])
        record += 0.1 * np.random.default_rng(0).standard_normal(record.shape) * record.std()
    found = []
    for tile in ((64, 128), (128, 256), (256, 256), (48, 96)):
        monkeypatch.setitem(TILES, Smoothed, (tile, (tile[0] // 4, tile[1] // 4)))
        result = denoise_record(
            Smoothed(),
            record.astype(np.float32),
            dt=0.004,
            domain=domain,
            options=DenoiseOptions(gate="report"),
        )
        found.append(dict(result.report.recovered))
    assert min(found[0].values()) < 0.95
    assert all(each == pytest.approx(found[0], abs=2e-3) for each in found)


def test_windows_of_few_traces_are_longer():
    assert envelope.window((48, 500), 12.0) == (9, 25)
    assert envelope.window((3, 500), 12.0) == (3, 73)
    assert envelope.window((1, 100), 12.0) == (1, 100)


def test_crops_without_any_signal_have_some_slope() -> None:
    slopes = slopes_of(np.zeros((2, 8, 64), np.float32), 8.0, np.random.default_rng(0))
    assert np.isfinite(slopes).all()
