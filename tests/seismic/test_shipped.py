"""The runs that the plugin ships: what they state, and what comes back of clean records."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from case_table import table

from scionwood import ReadError, Task, find_run, load_run
from scionwood.authoring import read_origin
from scionwood_seismic import ship
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.synth.canonical import Domain
from scionwood_seismic.synth.quake import draw_quake
from scionwood_seismic.synth.signal import convolve, place_spikes, ricker

GATHERS: list[Domain] = ["shot", "stack", "das"]
EACH = table("name", [*GATHERS, "station"])


@cache
def task(name: str) -> Task:
    return load_run(find_run(f"seismic/{name}", quiet=True))


def events(period: float, dip: float, traces: int, *, samples: int = 400) -> np.ndarray:
    """Return five events with a period, samples, and a dip, samples a trace."""
    times = np.linspace(0.1, 0.9, 5)[:, None] * samples + dip * (np.arange(traces) - traces / 2)
    sizes = np.array([1, -0.7, 0.8, -0.5, 0.9])[:, None] * np.ones_like(times)
    wavelet = ricker(1 / period, 1.0, length=min(4 * period, samples / 2))
    return convolve(place_spikes(times, sizes, (traces, samples)), wavelet).astype(np.float32)


def snr(clean: np.ndarray, estimate: np.ndarray) -> float:
    error = np.square(clean - estimate, dtype=np.float64).sum()
    return float(10 * np.log10(np.square(clean, dtype=np.float64).sum() / max(error, 1e-30)))


@EACH
def test_a_field_run_states_its_weights_data_and_licences(name):
    folder = find_run(f"seismic/{name}", quiet=True)
    origin = read_origin(folder)
    assert origin.scope == ship.FIELD_RUNS[name].scope
    card = (folder / "README.md").read_text("utf-8")
    for file in ship.FIELD_RUNS[name].noise:
        assert ship.NOISE[file] in card
        assert "MIT" in ship.NOISE[file]
    assert f"noise_files: {ship.STAGED}" in (folder / "recipe.yaml").read_text("utf-8")
    clean, _ = (float(number) for number in re.findall(r"\d+\.\d", origin.score))
    assert clean > 25


@pytest.mark.slow
@EACH
def test_a_field_run_has_the_score_that_it_states(name):
    folder = find_run(f"seismic/{name}", quiet=True)
    _, noisy = (float(number) for number in re.findall(r"\d+\.\d", read_origin(folder).score))
    assert ship.field_snr(folder, 0.0) == pytest.approx(noisy, abs=0.2)


RECORDS = {
    **{f"dip {dip}": (events(12.0, dip, 48), 20) for dip in (0.0, 0.05, 0.25, 1.0, 2.0)},
    **{f"{traces} traces": (events(12.0, 0.2, traces), 20) for traces in (1, 2, 3, 6)},
    **{
        f"period {period}": (
            events(period, 0.02 * period, 32, samples=round(max(300, 20 * period))),
            15,
        )
        for period in (6.0, 12.0, 24.0, 60.0)
    },
}
"""Clean records, and the least SNR of what comes back, dB."""


@pytest.mark.parametrize("name", GATHERS)
@table("kind", RECORDS)
def test_clean_events_come_back(name, kind):
    clean, least = RECORDS[kind]
    back = denoise_record(task(name), clean, dt=0.004, domain=name).denoised
    assert snr(clean, back) >= least


@table("name", GATHERS)
def test_white_noise_goes(name):
    clean = events(12.0, 0.2, 48)
    noise = np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    noisy = clean + clean.std() * noise
    back = denoise_record(task(name), noisy, dt=0.004, domain=name).denoised
    assert snr(clean, back) >= 6


@pytest.mark.parametrize("components", [1, 3])
def test_an_earthquake_comes_back_clean_and_loses_white_noise(components):
    clean = draw_quake(np.random.default_rng(3), 3000)[:components].astype(np.float32)
    noise = np.random.default_rng(0).standard_normal(clean.shape).astype(np.float32)
    back = denoise_record(task("station"), clean, dt=0.01, domain="station").denoised
    assert snr(clean, back) >= 25.0
    noisy, off = clean + clean.std() * noise, DenoiseOptions(gate="off")  # it may pass this through
    back = denoise_record(task("station"), noisy, dt=0.01, domain="station", options=off).denoised
    assert snr(clean, back) >= 3.6


def test_training_again_needs_the_noise_files(monkeypatch, tmp_path):
    monkeypatch.delenv(ship.VARIABLE, raising=False)
    with pytest.raises(ReadError, match=ship.VARIABLE):
        ship.train_field("shot", tmp_path / "run")
    monkeypatch.setenv(ship.VARIABLE, str(tmp_path))
    with pytest.raises(ReadError, match=ship.FORGE):
        ship.train_field("shot", tmp_path / "run")
    with pytest.raises(ReadError, match="denoise, shot, stack"):
        ship.main("land")


def test_the_rows_of_forge_that_are_left_for_tests_do_not_train(tmp_path):
    rows = np.arange(960, dtype="<f4")[:, None] * np.ones(500, "<f4")
    rows.tofile(tmp_path / ship.FORGE)
    ship.stage_noise(tmp_path, (ship.FORGE,), tmp_path / "staged")
    used = np.concatenate([np.load(file)[:, 0] for file in (tmp_path / "staged").glob("*.npy")])
    assert len(used) == 400
    assert not ((used >= 300) & (used < 840)).any()


def numbers(score: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d", score)]


@pytest.mark.slow
def test_the_shipped_run_has_the_score_that_it_states():
    folder = find_run("seismic/denoise", quiet=True)
    origin = read_origin(folder)
    ours, classical = numbers(origin.score)
    assert ship.mean_snr(load_run(folder)) == pytest.approx(ours, abs=0.1)
    assert ours > classical
