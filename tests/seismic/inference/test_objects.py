"""Denoising of what is in memory: of NumPy, ObsPy and DASCore."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import dascore as dc
import numpy as np
import pytest
import torch

from scionwood import RecipeError, Task, TrainingError, load_run
from scionwood_seismic.api import denoise
from scionwood_seismic.inference.adaptation import Adaptation
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.readers.sources import obspy


@pytest.fixture(scope="module")
def task(run: Path) -> Task:
    return load_run(run)


@pytest.fixture
def data() -> np.ndarray:
    return (np.random.default_rng(0).standard_normal((24, 48)) * 20).astype(np.float32)


@pytest.fixture
def expected(task: Task, data: np.ndarray) -> np.ndarray:
    return denoise_array(task.backbone, data)


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


def test_a_folder_and_a_loaded_run_do_the_same(
    run: Path, task: Task, data: np.ndarray, expected: np.ndarray
) -> None:
    before = data.copy()
    for given in (run, str(run), task):
        np.testing.assert_array_equal(denoise(data, given, dt=0.004), expected)
    np.testing.assert_array_equal(data, before)
    assert not np.array_equal(expected, data)


def test_the_tiles_are_those_that_were_asked_for(task: Task, data: np.ndarray) -> None:
    wanted = denoise_array(task.backbone, data, tile=32, overlap=8)
    np.testing.assert_array_equal(denoise(data, task, tile=32, overlap=8), wanted)


@pytest.mark.parametrize(
    ("dtype", "result"),
    [("int16", "float32"), ("int32", "float32"), ("float32", "float32"), ("float64", "float64")],
)
def test_integers_become_float32_and_floats_keep_their_type(
    task: Task, data: np.ndarray, dtype: str, result: str
) -> None:
    given = data.astype(dtype)
    found = denoise(given, task, dt=0.004)
    assert found.dtype == result
    wanted = denoise_array(task.backbone, given.astype(np.float32))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_one_trace_is_a_gather_of_one(task: Task, data: np.ndarray) -> None:
    found = denoise(data[0], task, dt=0.004)
    np.testing.assert_array_equal(found, denoise_array(task.backbone, data[:1])[0])


def test_dead_traces_and_traces_with_nan_keep_their_bits(task: Task, data: np.ndarray) -> None:
    fine = data.astype(np.float64)
    fine[3], fine[5, 2] = 1 / 3, np.nan  # a third is another number in float32
    found = denoise(fine, task)
    assert found[[3, 5]].tobytes() == fine[[3, 5]].tobytes()
    assert np.isfinite(np.delete(found, 5, axis=0)).all()


def test_a_stream_that_is_one_gather_is_denoised_as_one(
    task: Task, data: np.ndarray, expected: np.ndarray
) -> None:
    given = stream(data)
    found = denoise(given, task)
    np.testing.assert_array_equal(np.stack([t.data for t in found]), expected)
    np.testing.assert_array_equal(np.stack([t.data for t in given]), data)
    for old, new in zip(given, found, strict=True):
        assert new.stats.processing[-1].startswith("Scionwood ")
        assert "processing" not in old.stats
        del new.stats["processing"]
        assert new.stats == old.stats


def test_traces_that_start_apart_are_gathers_of_their_own(task: Task, data: np.ndarray) -> None:
    given = obspy.Stream([*stream(data[:4]), trace(data[4], start=60), trace(data[5][:30])])
    found = denoise(given, task)
    parts = [denoise_array(task.backbone, part) for part in (data[:4], data[4:5], data[5:6, :30])]
    np.testing.assert_array_equal(np.stack([t.data for t in found[:4]]), parts[0])
    np.testing.assert_array_equal(found[4].data, parts[1][0])
    np.testing.assert_array_equal(found[5].data, parts[2][0])


def test_segments_between_gaps_are_denoised_and_gaps_stay(task: Task, data: np.ndarray) -> None:
    masked = np.ma.masked_array(data[0], np.arange(48) // 8 == 2)
    found = denoise(trace(masked), task)
    assert type(found) is obspy.Trace
    np.testing.assert_array_equal(np.ma.getmaskarray(found.data), np.ma.getmaskarray(masked))
    for span in (slice(0, 16), slice(24, 48)):
        wanted = denoise_array(task.backbone, data[:1, span])[0]
        np.testing.assert_array_equal(found.data[span], wanted)


def test_processing_notes_add_up(task: Task, data: np.ndarray) -> None:
    twice = denoise(denoise(trace(data[0]).detrend("demean"), task), task)
    notes = twice.stats.processing
    assert len(notes) == 3
    assert "detrend" in notes[0]


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("name", ["distance", "channel", "depth"])
def test_the_axes_of_a_patch_are_found_by_name_and_keep_their_order(
    task: Task, data: np.ndarray, expected: np.ndarray, name: str, back: bool
) -> None:
    given = patch(data, (name, "time"))
    given = given.transpose("time", name) if back else given
    found = denoise(given, task)
    assert found.dims == given.dims
    assert found.coords == given.coords
    np.testing.assert_array_equal(found.transpose(name, "time").data, expected)
    assert found.attrs.history[-1].startswith("Scionwood ")
    assert found.attrs.history[:-1] == given.attrs.history
    assert found.update_attrs(history=given.attrs.history).attrs == given.attrs


def test_a_patch_of_other_axes_is_refused(task: Task, data: np.ndarray) -> None:
    spectrum = patch(data).dft("time").abs()
    with pytest.raises(RecipeError, match="a patch has time and one more axis"):
        denoise(spectrum, task)


@pytest.mark.parametrize(
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
    ],
)
def test_what_makes_no_sense_is_refused(
    task: Task, given: object, options: dict[str, float], rule: str
) -> None:
    with pytest.raises(RecipeError, match=rule):
        denoise(given, task, **options)


def test_a_folder_without_a_run_is_refused(tmp_path: Path, data: np.ndarray) -> None:
    with pytest.raises(TrainingError, match="Finish it"):
        denoise(data, tmp_path)


def test_arrays_need_neither_obspy_nor_dascore(
    task: Task, data: np.ndarray, expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("obspy", "dascore", "h5py", "segyio"):
        monkeypatch.setitem(sys.modules, name, None)  # importing it would fail now
    monkeypatch.delitem(sys.modules, "scionwood_seismic.api")
    fresh = import_module("scionwood_seismic.api")
    np.testing.assert_array_equal(fresh.denoise(data, task, dt=0.004), expected)


def test_the_model_of_a_loaded_run_stays_as_it_is(task: Task, data: np.ndarray) -> None:
    before = {name: value.clone() for name, value in task.state_dict().items()}
    denoise(data, task, dt=0.004)
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())


def test_a_run_that_adapts_at_test_time_does_so_here(run: Path) -> None:
    task = load_run(run)
    noisy = np.random.default_rng(3).standard_normal((32, 64)).astype(np.float32)
    plain = denoise(noisy, task, dt=0.002)
    options = Adaptation(window=(0.0, 0.04), steps=2, tolerance=1.0)
    adapted = denoise(noisy, task, dt=0.002, tta=options)
    assert not np.array_equal(adapted, plain)
    np.testing.assert_array_equal(denoise(noisy, task, dt=0.002), plain)
    with pytest.raises(RecipeError, match="Give dt"):
        denoise(noisy, task, tta=options)
