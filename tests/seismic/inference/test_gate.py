"""What the harm gate measures: known events in any function from record to record."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from case_table import table
from known_networks import Scaled, Smoothed, events
from scipy import ndimage as nd

from scionwood_seismic.evaluation.light import judge
from scionwood_seismic.inference.beams import Beams, beams
from scionwood_seismic.inference.decision import share_to_keep
from scionwood_seismic.inference.events import KINDS, GatherEvents
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.gate import BLOCKS, RUNS, Returned, amplitudes, tried
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.tiles import TILES

LIMITS = DenoiseOptions()


def layers(shape: tuple[int, int] = (96, 512)) -> np.ndarray:
    """Return layers that dip, with a little noise."""
    noise = np.random.default_rng(0).standard_normal(shape)
    return (events(0.6, traces=shape[0], samples=shape[1]) + 0.05 * noise).astype(np.float32)


def measured(denoise: Callable[[np.ndarray], np.ndarray], record: np.ndarray) -> list[Returned]:
    source = GatherEvents(record, beams(record, 12.0))
    trials, _ = tried(denoise, record, denoise(record), source, np.random.default_rng(0))
    return [event for trial in trials for event in trial.returned()]


def mean_of(traces: int, samples: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: nd.uniform_filter(x, (traces, samples))


def test_each_kind_and_level_is_measured():
    found = amplitudes(measured(lambda x: 0.7 * x, layers()))
    assert set(found) == {f"{level} {kind}" for level in ("strong", "weak") for kind in KINDS}
    assert all(value == pytest.approx(0.7, abs=1e-5) for value in found.values())


@table(
    ("denoise", "lost", "safe"),
    [
        (mean_of(9, 1), ("strong steep", "strong conflict"), ()),
        (mean_of(1, 9), ("strong own", "strong steep"), ()),
        (lambda x: nd.uniform_filter1d(nd.shift(x, (0, 0)), 1), (), ("strong own", "weak steep")),
    ],
    ids=["mean over traces", "mean over samples", "nothing"],
)
def test_a_filter_loses_the_kinds_that_it_cannot_keep(denoise, lost, safe):
    found = amplitudes(measured(denoise, layers()))
    assert all(found[kind] < 0.6 for kind in lost)
    assert all(found[kind] > 0.95 for kind in safe)


@table("shape", [(24, 96), (48, 256), (128, 512), (400, 1500)])
def test_the_gate_runs_a_denoiser_at_most_ten_times(shape):
    record = layers(shape)
    runs: list[int] = []

    def denoise(part: np.ndarray) -> np.ndarray:
        runs.append(part.size)
        return part

    source = GatherEvents(record, beams(record, 12.0))
    trials, samples = tried(denoise, record, denoise(record), source, np.random.default_rng(0))
    assert len(runs) <= 1 + max(RUNS, 2 * BLOCKS) <= 11
    assert samples == sum(runs[1:]) <= 12 * max(record.size, 128 * 512)
    places = {(event.trace, event.sample) for trial in trials for event in trial.returned()}
    assert len(places) >= min(8, record.size // (64 * 128))


def test_lost_signal_goes_back_before_the_blend():
    """A network that takes 0.4 of all loses signal, and what it takes resembles what it leaves."""
    record = layers()
    result = denoise_record(Scaled(0.4), record, dt=0.004, domain="stack")
    report = result.report
    assert 0 < report.back <= 1
    assert report.worst >= 0.849
    assert report.reason.endswith("lost signal was put back")
    assert judge({"gather": "", **report.as_json()}, LIMITS).light == "yellow"
    taken = np.square(record - result.denoised).sum() / np.square(record).sum()
    assert report.removed == pytest.approx(taken, rel=1e-3)


def test_dead_traces_have_no_events():
    record = layers()
    record[10:14] = 0
    added: list[np.ndarray] = []

    def denoise(part: np.ndarray) -> np.ndarray:
        added.append(part)
        return part

    measured(denoise, record)
    assert all(not part[10:14].any() for part in added)


def test_the_worst_strong_kind_decides_what_may_stay():
    found = {"strong own": 0.99, "strong steep": 0.55, "weak own": 0.1}
    share, reason = share_to_keep(found, LIMITS)
    assert share == pytest.approx(0.15 / 0.45)
    assert reason == "strong steep events kept 0.55 (limit 0.85)"
    assert share_to_keep({"strong own": 0.86, "weak own": 0.1}, LIMITS) == (1.0, "")
    assert share_to_keep({"strong own": -0.2}, LIMITS)[0] == 0, "too little would stay"


@table(
    ("recovered", "more", "light", "line"),
    [
        ({"strong steep": 0.2, "weak own": 0.9}, {}, "red", "strong steep events keep 0.20 (limit"),
        (
            {"strong own": 0.9, "weak steep": 0.22},
            {"removed": 0.46},
            "yellow",
            "yellow fldr 12: weak steep events keep 0.22 (limit 0.65); 46 % removed",
        ),
        ({"strong own": 0.9, "weak own": 0.7}, {"coherent": 0.15}, "yellow", "15 % of the energy"),
        ({"strong own": 0.9, "weak own": 0.7}, {}, "green", "strong own events keep 0.90"),
        ({}, {"share": 0.0, "reason": "no coherent event found"}, "grey", "no coherent event"),
    ],
    ids=["red", "weak", "coherent", "green", "grey"],
)
def test_the_line_names_the_kind_and_its_amplitude(recovered, more, light, line):
    report = {"gather": "fldr 12", "share": 1.0, "reason": "", "recovered": recovered}
    verdict = judge(report | more, LIMITS)
    assert verdict.light == light
    assert line in str(verdict)


@pytest.mark.parametrize("domain", ["shot", "station"])
def test_the_gate_measures_alike_whatever_the_tiles(domain, monkeypatch):
    """A filter over 9 traces (or samples) has one amplitude, also in a network of large tiles."""
    if domain == "station":
        record = np.random.default_rng(0).standard_normal((3, 3000)).astype(np.float32)
        record = nd.gaussian_filter1d(record, 6.0, axis=1).astype(np.float32)
    else:
        record = layers((128, 256))
    found = []
    for tile in ((64, 128), (128, 256), (256, 256)):
        monkeypatch.setitem(TILES, Smoothed, (tile, (tile[0] // 4, tile[1] // 4)))
        options = DenoiseOptions(gate="report")
        result = denoise_record(Smoothed(), record, options, dt=0.004, domain=domain)
        found.append(dict(result.report.recovered))
    assert min(found[0].values()) < 0.95
    # The edges of tiles, which the blend leaves, are the difference.
    assert all(each == pytest.approx(found[0], abs=0.03) for each in found)


def test_a_record_without_events_passes_through_as_grey():
    noise = np.random.default_rng(2).standard_normal((48, 256)).astype(np.float32)
    result = denoise_record(Scaled(0.5), noise, dt=0.004, domain="shot")
    assert result.denoised.tobytes() == noise.tobytes()
    verdict = judge({"gather": "", **result.report.as_json()}, LIMITS)
    assert (verdict.light, verdict.passed) == ("grey", True)
    assert "no coherent event found" in verdict.reason


def band(found: Beams) -> tuple[float, float]:
    """Return the ends of the band in which 0.9 of the power lies, cycles per sample."""
    total = np.cumsum(found.power) / found.power.sum()
    low, high = found.frequency[np.searchsorted(total, (0.05, 0.95))] / found.period
    return float(low), float(high)


class TestBeams:
    def test_the_slopes_and_the_band_are_those_of_the_events(self):
        found = beams(layers(), 12.0)
        assert found.has_events
        assert np.median(found.slopes) == pytest.approx(0.6 / 12, abs=0.01)
        low, high = band(found)
        assert 0.02 < low < 1 / 12 < high < 0.25

    def test_noise_that_neighbours_share_widens_no_band(self):
        record = layers((64, 512))
        noise = np.random.default_rng(0).standard_normal(record.shape)
        shared = nd.gaussian_filter1d(noise, 2.0, axis=0)
        noisy = record + record.std() * shared / shared.std()
        assert band(beams(noisy, 12.0))[1] < 1.5 * band(beams(record, 12.0))[1]

    def test_white_noise_has_no_event(self):
        rng = np.random.default_rng(0)
        found = [beams(rng.standard_normal((64, 400)), 12.0).has_events for _ in range(10)]
        assert not any(found)

    def test_what_is_coherent_in_a_removal_is_found(self):
        record = layers()
        found = beams(record, 12.0)
        noise = np.random.default_rng(1).standard_normal(record.shape)
        assert found.coherent_share(0.3 * record) > 0.3
        assert found.coherent_share(noise) < 0.05
