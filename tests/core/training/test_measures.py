"""Callbacks, finders and profilers that a recipe may name: each trains, loads and has effect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from scionwood import load_run
from scionwood.errors import RecipeError, TrainingError
from scionwood.recipes.recipe import resolve
from scionwood.training import fit
from scionwood.training.metrics import read_metrics

Fit = Callable[..., Path]


def named(*callbacks: str) -> str:
    return f"trainer.callbacks=[{', '.join(callbacks)}]"


def events(run: Path) -> EventAccumulator:
    board = EventAccumulator(str(run / "tensorboard"), purge_orphaned_data=False)
    board.Reload()
    return board


@pytest.mark.parametrize(
    ("callback", "tag", "values"),
    [
        ("lr_monitor", "lr-AdamW/adapter", [0.01] * 2),
        ("{name: throughput, window_size: 2}", "train/samples", [64, 128]),
    ],
    ids=["lr_monitor", "throughput"],
)
def test_what_a_monitor_measures_is_in_the_log(
    toy_fit: Fit, callback: str, tag: str, values: list[float]
) -> None:
    logs = "trainer.logger=tensorboard", "trainer.log_every_n_steps=8"
    run = toy_fit(named(callback), *logs)
    load_run(run)
    assert [event.value for event in events(run).Scalars(tag)] == pytest.approx(values)


def test_a_timer_stops_a_run_and_a_longer_one_continues_it(toy_fit: Fit) -> None:
    long = "trainer.max_epochs=-1", "trainer.max_steps=8"
    run = toy_fit(*long, named("{name: timer, duration: {microseconds: 1}}"))
    load_run(run)
    assert len(read_metrics(run / "metrics.csv")) < 8
    toy_fit(*long, named("{name: timer, duration: '00:01:00:00'}"), resume=run)
    steps = [row["step"] for row in read_metrics(run / "metrics.csv") if "train_loss" in row]
    assert steps == [str(step) for step in range(1, 9)]


def test_a_summary_is_printed_apart_from_the_output(
    toy_fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    load_run(toy_fit(named("{name: rich_summary, max_depth: 2}"), "trainer.max_steps=1"))
    out, err = capsys.readouterr()
    assert out == ""
    assert "backbone.base_model" in err


@pytest.mark.parametrize("profiler", ["simple", "advanced", "{name: pytorch, row_limit: 3}"])
def test_a_profile_is_in_the_run_folder(toy_fit: Fit, profiler: str) -> None:
    run = toy_fit(f"trainer.profiler={profiler}", "trainer.max_steps=2")
    load_run(run)
    (profile,) = run.glob("fit-profile-*.txt")
    assert "Profile" in profile.read_text() or "Name" in profile.read_text()


def test_a_found_rate_is_in_the_recipe_which_repeats_the_run(
    toy_fit: Fit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finder = "{name: lr_finder, num_training_steps: 40, min_lr: 1.0e-5}"
    options = (named(finder), "backbone.dropout=0.2", "trainer.max_epochs=1")
    run = toy_fit(*options)
    recipe = resolve(run / "recipe.yaml")
    rate = recipe.task.options["lr"]
    assert rate != 0.01
    assert 1e-5 < rate < 1
    assert f"fit: task.lr {rate:g} found (was 0.01)" in capsys.readouterr().err
    assert recipe.trainer["callbacks"] == []
    load_run(run)
    plain = fit(recipe, run_dir=tmp_path / "plain")
    for file in ("metrics.csv", "adapter/adapter_model.safetensors", "recipe.yaml"):
        assert (plain / file).read_bytes() == (run / file).read_bytes(), file
    before = (run / "head.safetensors").read_bytes()
    toy_fit(*options, resume=run)  # which looks for no rate
    assert resolve(run / "recipe.yaml") == recipe
    assert (run / "head.safetensors").read_bytes() == before


def test_a_found_batch_size_is_in_the_recipe(toy_fit: Fit) -> None:
    run = toy_fit(named("{name: batch_size_finder, max_trials: 2}"), "trainer.max_steps=1")
    assert resolve(run / "recipe.yaml").data.options["batch_size"] == 4  # from 2 on, two sizes
    load_run(run)


def test_a_finder_that_finds_nothing_or_cannot_search_says_so(
    toy_fit: Fit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = named("{name: lr_finder, num_training_steps: 5}")
    with pytest.raises(TrainingError, match=r"losses of 5 steps.*Allow more steps"):
        toy_fit(few, name="few")
    with pytest.raises(RecipeError, match=r"lr_finder.*one process.*trainer\.devices 1"):
        toy_fit(few, "trainer.devices=2", name="two")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="one process"):
        toy_fit(few, name="launched")
