"""A run folder holds all that is needed to use the result or to repeat the run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
from safetensors.torch import load_file

from scionwood import Task, load_run
from scionwood import test as measure
from scionwood.errors import AdapterError, OutputExistsError, TrainingError
from scionwood.recipes.recipe import resolve
from scionwood.training import fit
from scionwood.training.checkpoint import BEST, LAST, read_checkpoint
from scionwood.training.metrics import read_metrics
from scionwood.training.run import build
from scionwood.training.run_folder import run_folder, shared

Fit = Callable[..., Path]


def rows(run: Path, key: str = "train_loss") -> list[float]:
    return [float(row[key]) for row in read_metrics(run / "metrics.csv") if key in row]


def test_the_folder_is_complete(toy_fit: Fit) -> None:
    run = toy_fit("trainer.logger=[csv, tensorboard]")
    expected = {
        *(
            "files.json",
            "recipe.yaml",
            "metrics.csv",
            "head.safetensors",
            "README.md",
            "report.html",
        ),
        *("adapter/adapter_config.json", "adapter/adapter_model.safetensors"),
        *("adapter/scionwood.json", "checkpoints/last.ckpt", "checkpoints/best.ckpt"),
        *("figures/metrics.png", "figures/prediction.png"),
    }
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    events = {name for name in files if name.startswith("tensorboard/")}
    assert files - events == expected
    assert any("tfevents" in name for name in events)


def test_the_loss_falls(toy_fit: Fit) -> None:
    losses = rows(toy_fit("trainer.max_epochs=20", "task.lr=0.03"))
    assert sum(losses[-8:]) < 0.6 * sum(losses[:8])


def test_a_loaded_run_predicts_the_same_as_the_trained_model(toy_fit: Fit) -> None:
    run = toy_fit("trainer.max_epochs=3")
    task = load_run(run)
    assert not task.training
    assert not any(parameter.requires_grad for parameter in task.parameters())
    trained, data = build(resolve(run / "recipe.yaml"))
    trained.load_state_dict(read_checkpoint(run / BEST)["state_dict"], strict=False)
    x = data.val.x
    assert torch.equal(task.backbone(x), trained.eval().backbone(x))
    losses = [row for row in read_metrics(run / "metrics.csv") if "val_loss" in row]
    best = min(float(row["val_loss"]) for row in losses)
    assert float((task.backbone(x) - data.val.y).square().mean()) == pytest.approx(best, rel=1e-5)


def test_the_adapter_folder_is_plain_peft(toy_fit: Fit) -> None:
    run = toy_fit("trainer.max_steps=2")
    bare = resolve(run / "recipe.yaml").backbone.build()
    theirs = peft.PeftModel.from_pretrained(bare, run / "adapter")
    ours = load_run(run).backbone
    for name, value in load_file(run / "head.safetensors").items():
        theirs.get_base_model().get_parameter(name).data.copy_(value)
    x = torch.randn(3, 8)
    assert torch.equal(theirs(x), ours(x))


def test_the_test_split_is_measured(toy_fit: Fit) -> None:
    run = toy_fit("trainer.max_steps=2")
    metrics = measure(run)
    task, data = load_run(run), resolve(run / "recipe.yaml").data.build()
    error = task.backbone(data.held_out.x) - data.held_out.y
    assert metrics["test_loss"] == pytest.approx(float(error.square().mean()), rel=1e-5)
    assert metrics.keys() == {"test_loss", "test_mae", "test_worst"}


def test_recipes_and_folders_may_be_given_as_text(tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    recipe = resolve("toy/regress", ["trainer.max_steps=1", "trainer.logger=csv"])
    path.write_text(recipe.dump(), encoding="utf-8")
    run = fit(str(path), run_dir=str(tmp_path / "run"))
    assert run == tmp_path / "run"
    assert fit(path, resume=str(run)) == run
    assert measure(str(run)) == measure(run, str(path))
    assert isinstance(load_run(str(run)), Task)
    task, _ = build("toy/regress")
    assert task.training


def test_the_recipe_in_the_folder_repeats_the_run(toy_fit: Fit, tmp_path: Path) -> None:
    first = toy_fit("task.lr=0.02", "seed=7")
    second = fit(resolve(first / "recipe.yaml"), run_dir=tmp_path / "again")
    for name in ("metrics.csv", "adapter/adapter_model.safetensors", "recipe.yaml"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert rows(toy_fit("task.lr=0.02", "seed=8", name="other")) != rows(first)


def test_the_best_weights_are_exported(toy_fit: Fit) -> None:
    run = toy_fit("trainer.max_epochs=6", "task.lr=0.3")  # too fast, so best is not last
    losses = rows(run, "val_loss")
    best = read_checkpoint(run / BEST)
    assert best["global_step"] == 8 * (1 + losses.index(min(losses))) < 48
    head = load_file(run / "head.safetensors")
    kept = {
        k: v
        for k, v in best["state_dict"].items()
        if k.endswith(("readout.weight", "readout.bias"))
    }
    assert len(head) == len(kept) == 2
    for name, value in kept.items():
        assert torch.equal(head[".".join(name.split(".")[-2:])], value)
    assert read_checkpoint(run / LAST)["global_step"] == 48


def test_the_card_states_base_data_metric_size_and_licence(toy_fit: Fit) -> None:
    run = toy_fit("seed=3")
    card = (run / "README.md").read_text()
    manifest = json.loads((run / "adapter" / "scionwood.json").read_text())
    assert manifest["base"]["sha256"] in card
    best = min(rows(run, "val_loss"))
    for fact in (
        f"| val_loss (chose the step; lower is better) | {best:.4g} |",
        "toy/regression",
        "seed 3",
        "Apache-2.0",
        "A lora adapter on `toy/mlp`",
        "128 of the adapter, 17 of the head; 17.41% train",
    ):
        assert fact in card


@pytest.mark.parametrize(("name", "trainable"), [("frozen", 17), ("full", 705)])
def test_baselines_without_an_adapter(toy_fit: Fit, name: str, trainable: int) -> None:
    run = toy_fit(f"adapter={name}", "trainer.max_steps=3")
    assert not (run / "adapter").exists()
    saved = load_file(run / "head.safetensors")
    assert sum(value.numel() for value in saved.values()) == trainable
    state = load_run(run).backbone.state_dict()
    for key, value in saved.items():
        assert torch.equal(state[key], value)


def test_a_new_run_never_uses_the_folder_of_another(toy_fit: Fit) -> None:
    toy_fit("trainer.max_steps=1")
    with pytest.raises(OutputExistsError, match="--resume"):
        toy_fit("trainer.max_steps=1")


def test_runs_are_named_after_recipe_and_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = resolve("toy/regress", ["trainer.max_steps=1", "trainer.logger=csv"])
    first, second = fit(recipe), fit(recipe)
    assert first.parent == second.parent == tmp_path / "runs"
    assert first != second
    assert re.fullmatch(r"toy-regress-\d{8}-\d{6}(-\d)?", first.name)


def test_a_folder_is_shared_with_the_processes_of_its_own_run_only(
    toy_fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = toy_fit("trainer.max_steps=1", name="first")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert run_folder("toy/regress", tmp_path / "second", None)[0] == tmp_path / "second"
    monkeypatch.setenv("LOCAL_RANK", "0")
    with shared(first):
        monkeypatch.setenv("LOCAL_RANK", "1")
        assert run_folder("toy/regress", tmp_path / "second", None)[0] == first


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="does not hold a finished run"):
        load_run(tmp_path)
    with pytest.raises(TrainingError, match=r"no recipe\.yaml"):
        fit(resolve("toy/regress"), resume=tmp_path)


def test_accumulated_gradients_equal_those_of_a_larger_batch(toy_fit: Fit) -> None:
    small = toy_fit("data.batch_size=4", "trainer.accumulate_grad_batches=4", name="small")
    large = toy_fit("data.batch_size=16", name="large")
    for key, value in read_checkpoint(large / LAST)["state_dict"].items():
        other = read_checkpoint(small / LAST)["state_dict"][key]
        torch.testing.assert_close(other, value, rtol=0, atol=1e-5)


def test_bf16_mixed_computes_in_bf16_and_keeps_weights_in_float32(toy_fit: Fit) -> None:
    mixed = toy_fit("trainer.precision=bf16-mixed", name="mixed")
    full = toy_fit(name="full")
    assert rows(mixed) != rows(full)
    assert rows(mixed) == pytest.approx(rows(full), rel=0.1)
    assert {v.dtype for v in read_checkpoint(mixed / LAST)["state_dict"].values()} == {
        torch.float32
    }


def test_rows_are_written_every_n_steps(toy_fit: Fit) -> None:
    run = toy_fit("trainer.log_every_n_steps=3", "trainer.limit_val_batches=0")
    assert [row["step"] for row in read_metrics(run / "metrics.csv")] == ["3", "6", "9", "12", "15"]


def test_a_checkpoint_of_another_base_is_not_resumed(toy_fit: Fit) -> None:
    run = toy_fit("trainer.max_steps=1")
    with pytest.raises(TrainingError, match=r"last\.ckpt: it was trained on the base"):
        toy_fit("trainer.max_steps=2", "backbone.init_seed=1", resume=run)


def test_options_that_the_method_refuses_together_are_named(toy_fit: Fit) -> None:
    with pytest.raises(AdapterError, match=r"adapter 'adalora'.*total_step"):
        toy_fit("adapter={name: adalora, targets: blocks}")


def test_a_method_that_distributes_its_rank_does_so(toy_fit: Fit) -> None:
    adalora = "adapter={name: adalora, init_r: 4, target_r: 1, tinit: 2, tfinal: 4, deltaT: 1}"
    run = toy_fit(
        adalora, "adapter.total_step=12", "adapter.targets=blocks", "trainer.max_steps=14"
    )
    tensors = load_file(run / "adapter" / "adapter_model.safetensors")
    ranks = [len(value) for name, value in tensors.items() if name.endswith("lora_E")]
    assert sum(ranks) == 2  # one for each of two layers on average; each began with four
    losses = [
        float(row["val_loss"]) for row in read_metrics(run / "metrics.csv") if "val_loss" in row
    ]
    assert measure(run)["test_loss"] < 2 * max(losses)


def test_early_stopping_ends_a_run_that_no_longer_improves(toy_fit: Fit) -> None:
    stop = "trainer.callbacks=[{name: early_stopping, patience: 2, min_delta: 100}]"
    run = toy_fit(stop, "trainer.max_epochs=9")
    validations = [row for row in read_metrics(run / "metrics.csv") if "val_loss" in row]
    assert len(validations) == 3  # the first is the best, and two more do not beat it by 100


def test_a_step_with_accumulated_gradients_equals_one_with_a_large_batch(toy_fit: Fit) -> None:
    few = "trainer.max_steps=3"
    small = toy_fit(few, "data.batch_size=4", "trainer.accumulate_grad_batches=2", name="small")
    large = toy_fit(few, "data.batch_size=8", name="large")
    theirs = load_file(large / "adapter" / "adapter_model.safetensors")
    for name, value in load_file(small / "adapter" / "adapter_model.safetensors").items():
        assert torch.allclose(value, theirs[name], rtol=1e-4, atol=1e-6), name
