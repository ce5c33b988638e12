"""Denoising of objects in memory: NumPy, ObsPy and DASCore."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import dascore as dc
import numpy as np
import pytest
import torch
from case_table import table
from scipy.ndimage import gaussian_filter1d

from scionwood import RecipeError, Task, TrainingError, load_run
from scionwood_seismic import denoise_data
from scionwood_seismic.dino.adaptation import Adaptation
from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.readers.sources import obspy
from scionwood_seismic.synth.canonical import Domain

UNGATED = DenoiseOptions(gate="off")
"""A run of two steps does not pass the harm gate."""


def denoise(data: Any, task: Task | None = None, **options: Any) -> Any:
    return denoise_data(data, replace(UNGATED, **options), task=task)


def gather(task: Task, data: np.ndarray, size: int | None = None) -> np.ndarray:
    domain: Domain = "shot" if len(data) > 3 else "station"
    options = replace(UNGATED, tile=size)
    return denoise_record(task, data, options, dt=0.004, domain=domain).denoised


@pytest.fixture(scope="module")
def task(run: Path) -> Task:
    return load_run(run)


@pytest.fixture
def data() -> np.ndarray:
    return (np.random.default_rng(0).standard_normal((24, 48)) * 20).astype(np.float32)


@pytest.fixture
def expected(task: Task, data: np.ndarray) -> np.ndarray:
    return gather(task, data)


def trace(samples: np.ndarray, station: str = "ABC", start: float = 0.0) -> obspy.Trace:
    header = {"station": station, "channel": "HHZ", "sampling_rate": 250.0}
    return obspy.Trace(samples, {**header, "starttime": obspy.UTCDateTime(start)})


def stream(data: np.ndarray) -> obspy.Stream:
    return obspy.Stream([trace(row.copy(), f"S{i}") for i, row in enumerate(data)])


def patch(data: np.ndarray, dims: tuple[str, str] = ("distance", "time")) -> dc.Patch:
    time = np.datetime64("2020-01-01", "ns") + np.timedelta64(4, "ms") * np.arange(48)
    coords = {dims[0]: np.arange(len(data)) * 5.0, dims[1]: time}
    made = dc.Patch(data=data.copy(), coords=coords, dims=dims, attrs={"station": "S"})
    return made.set_units("m/s", **{dims[0]: "m"})


def test_a_folder_and_a_loaded_run_give_the_same_result(run, task, data, expected):
    before = data.copy()
    weights = {name: value.clone() for name, value in task.state_dict().items()}
    for same in (
        denoise(data, run=run, dt=0.004),
        denoise(data, run=str(run), dt=0.004),
        denoise(data, task, dt=0.004),
    ):
        np.testing.assert_array_equal(same, expected)
    np.testing.assert_array_equal(data, before)
    assert not np.array_equal(expected, data)
    assert all(torch.equal(value, weights[name]) for name, value in task.state_dict().items())


@table(
    ("dtype", "result"),
    [("int16", "float32"), ("int32", "float32"), ("float32", "float32"), ("float64", "float64")],
)
def test_integers_become_float32_and_floats_keep_their_type(task, data, dtype, result):
    given = data.astype(dtype)
    denoised = denoise(given, task, dt=0.004)
    assert denoised.dtype == result
    wanted = gather(task, given.astype(np.float32))
    np.testing.assert_allclose(denoised, wanted, rtol=1e-5, atol=1e-5)


def test_denoises_the_traces_of_a_stream_together(task, data, expected):
    given = stream(data)
    denoised = denoise(given, task)
    np.testing.assert_array_equal(np.stack([t.data for t in denoised]), expected)
    np.testing.assert_array_equal(np.stack([t.data for t in given]), data)
    for old, new in zip(given, denoised, strict=True):
        assert new.stats.processing[-1].startswith("Scionwood ")
        assert "processing" not in old.stats
        del new.stats["processing"]
        assert new.stats == old.stats


def test_traces_that_start_at_different_times_are_separate_gathers(task, data):
    given = obspy.Stream([*stream(data[:4]), trace(data[4], start=60), trace(data[5][:40])])
    denoised = denoise(given, task)
    parts = [gather(task, part) for part in (data[:4], data[4:5], data[5:6, :40])]
    np.testing.assert_array_equal(np.stack([t.data for t in denoised[:4]]), parts[0])
    np.testing.assert_array_equal(denoised[4].data, parts[1][0])
    np.testing.assert_array_equal(denoised[5].data, parts[2][0])


def test_denoises_segments_and_keeps_gaps(task, data):
    samples = data[:4].reshape(-1)
    masked = np.ma.masked_array(samples, np.arange(192) // 32 == 2)
    denoised = denoise(trace(masked), task)
    assert type(denoised) is obspy.Trace
    np.testing.assert_array_equal(np.ma.getmaskarray(denoised.data), np.ma.getmaskarray(masked))
    for span in (slice(0, 64), slice(96, 192)):
        wanted = gather(task, samples[None, span])[0]
        assert not np.array_equal(wanted, samples[span])
        np.testing.assert_array_equal(denoised.data[span], wanted)


@table("back", [False, True])
@table("name", ["distance", "channel", "depth"])
def test_identifies_patch_axes_by_name_and_keeps_their_order(task, data, expected, name, back):
    given = patch(data, (name, "time"))
    given = given.transpose("time", name) if back else given
    denoised = denoise(given, task)
    assert denoised.dims == given.dims
    assert denoised.coords == given.coords
    np.testing.assert_array_equal(denoised.transpose(name, "time").data, expected)
    assert denoised.attrs.history[-1].startswith("Scionwood ")
    assert denoised.attrs.history[:-1] == given.attrs.history
    assert denoised.update_attrs(history=given.attrs.history).attrs == given.attrs


@table(
    ("given", "options", "rule"),
    [
        ([[1.0, 2.0]], {}, "only arrays, ObsPy streams"),
        (np.zeros((2, 3, 4)), {}, "one gather at a time"),
        (np.zeros((2, 3), complex), {}, "real numbers"),
        (np.ma.masked_array([1.0, 2.0], [0, 1]), {}, "without a mask"),
        (np.zeros((2, 3)), {"dt": 0.0}, "positive, in s"),
        (np.zeros((2, 3)), {"dt": float("nan")}, "positive, in s"),
        (obspy.Trace(np.zeros(9)), {"dt": 0.004}, "carries its own sample interval"),
        (np.zeros((2, 3)), {"overlap": 200}, "at most half their size"),
        (np.zeros((2, 3)), {"overlap": 0}, "at least 1"),
        (np.zeros((2, 3)), {"gather": "cdp"}, "the data are in memory"),
        (np.zeros((2, 3)), {"neighbours": 0}, "the data are in memory"),
    ],
)
def test_refuses_invalid_arguments(task, given, options, rule):
    with pytest.raises(RecipeError, match=rule):
        denoise(given, task, **options)


def test_refuses_other_patches_and_folders_without_a_run(task, data, tmp_path):
    with pytest.raises(RecipeError, match="a patch has time and one more axis"):
        denoise(patch(data).dft("time").abs(), task)
    with pytest.raises(TrainingError, match="Name the folder that fit printed"):
        denoise(data, run=tmp_path)


def test_arrays_need_neither_obspy_nor_dascore(task, data, expected, monkeypatch):
    for name in ("obspy", "dascore", "h5py", "segyio"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it would fail now
    for name in [name for name in sys.modules if name.startswith("scionwood_seismic.verbs")]:
        monkeypatch.delitem(sys.modules, name)
    fresh = import_module("scionwood_seismic.verbs.denoise")
    np.testing.assert_array_equal(fresh.denoise_data(data, UNGATED, task=task), expected)


def test_adapts_at_test_time_on_request(run):
    task = load_run(run)
    noise = np.random.default_rng(3).standard_normal((32, 96))
    noisy = gaussian_filter1d(noise, 1.5).astype(np.float32)
    plain = denoise(noisy, task, dt=0.002)
    options = {"tta": "matched", "noise_window": "0:0.06"}
    task.adaptation = Adaptation(steps=2, tolerance=1.0)
    adapted = denoise(noisy, task, dt=0.002, **options)
    assert not np.array_equal(adapted, plain)
    np.testing.assert_array_equal(denoise(noisy, task, dt=0.002, tta="none"), plain)
    with pytest.raises(RecipeError, match="Give dt"):
        denoise(noisy, task, **options)
