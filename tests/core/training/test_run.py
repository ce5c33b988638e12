"""A run folder holds all that is needed to use the result or to repeat the run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
from run_column import column
from safetensors.torch import load_file

from scionwood import ScionwoodError, Task, load_run
from scionwood import test as measure
from scionwood.authoring import TrainingSubset
from scionwood.errors import OutputExistsError, TrainingError
from scionwood.recipes.recipe import resolve
from scionwood.training import fit
from scionwood.training.checkpoint import BEST, LAST, read_checkpoint
from scionwood.training.metrics import read_metrics
from scionwood.training.run import build
from scionwood.training.run_folder import run_folder, shared

Fit = Callable[..., Path]
BITS = ("metrics.csv", "adapter/adapter_model.safetensors", "recipe.yaml")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, blank_pictures: object) -> Path:
    """A finished run of two epochs, of sixteen steps."""
    recipe = resolve("toy/regress", ["trainer.logger=[csv, tensorboard]", "seed=7"])
    return fit(recipe, run_dir=tmp_path_factory.mktemp("done") / "run")


def test_the_folder_is_complete(done: Path) -> None:
    expected = {
        *("files.json", "recipe.yaml", "metrics.csv", "head.safetensors"),
        *("README.md", "report.html"),
        *("adapter/adapter_config.json", "adapter/adapter_model.safetensors"),
        *("adapter/scionwood.json", "checkpoints/last.ckpt", "checkpoints/best.ckpt"),
        *("figures/metrics.png", "figures/prediction.png"),
    }
    files = {str(path.relative_to(done)) for path in done.rglob("*") if path.is_file()}
    events = {name for name in files if name.startswith("tensorboard/")}
    assert files - events == expected
    assert any("tfevents" in name for name in events)


def test_the_loss_falls(toy_fit: Fit) -> None:
    losses = column(toy_fit("trainer.max_epochs=20", "task.lr=0.03"))
    assert sum(losses[-8:]) < 0.6 * sum(losses[:8])


def test_a_loaded_run_predicts_the_same_as_the_trained_model(done: Path) -> None:
    task = load_run(done)
    assert not task.training
    assert not any(parameter.requires_grad for parameter in task.parameters())
    trained, data = build(resolve(done / "recipe.yaml"))
    trained.load_state_dict(read_checkpoint(done / BEST)["state_dict"], strict=False)
    x = data.val.x
    assert torch.equal(task.backbone(x), trained.eval().backbone(x))
    best = min(column(done, "val_loss"))
    assert float((task.backbone(x) - data.val.y).square().mean()) == pytest.approx(best, rel=1e-5)
    metrics, error = measure(done), task.backbone(data.held_out.x) - data.held_out.y
    assert metrics["test_loss"] == pytest.approx(float(error.square().mean()), rel=1e-5)
    assert metrics.keys() == {"test_loss", "test_mae", "test_worst"}


def test_the_adapter_folder_is_plain_peft(done: Path) -> None:
    bare = resolve(done / "recipe.yaml").backbone.build()
    theirs = peft.PeftModel.from_pretrained(bare, done / "adapter")
    ours = load_run(done).backbone
    for name, value in load_file(done / "head.safetensors").items():
        theirs.get_base_model().get_parameter(name).data.copy_(value)
    x = torch.randn(3, 8)
    torch.testing.assert_close(theirs(x), ours(x), rtol=0, atol=1e-6)


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


def test_the_recipe_in_the_folder_repeats_the_run(done: Path, toy_fit: Fit, tmp_path: Path) -> None:
    second = fit(resolve(done / "recipe.yaml"), run_dir=tmp_path / "again")
    for name in BITS:
        assert (done / name).read_bytes() == (second / name).read_bytes()
    assert column(toy_fit("seed=8")) != column(done)


def test_a_task_that_predicts_gradients_validates_and_tests(toy_fit: Fit) -> None:
    run = toy_fit("task.name=toy/slope", "trainer.max_epochs=3")
    losses = column(run, "val_loss")
    assert losses[-1] < losses[0]
    assert measure(run)["test_loss"] == pytest.approx(min(losses), rel=1)
    assert not any(parameter.grad is not None for parameter in load_run(run).parameters())


def test_the_best_weights_are_exported(toy_fit: Fit) -> None:
    run = toy_fit("trainer.max_epochs=6", "task.lr=0.3")  # too fast, so best is not last
    losses = column(run, "val_loss")
    best = read_checkpoint(run / BEST)
    assert best["global_step"] == 8 * (1 + losses.index(min(losses))) < 48
    head = load_file(run / "head.safetensors")
    kept = {key: value for key, value in best["state_dict"].items() if ".readout." in key}
    assert len(head) == len(kept) == 2
    for name, value in kept.items():
        assert torch.equal(head[".".join(name.split(".")[-2:])], value)
    assert read_checkpoint(run / LAST)["global_step"] == 48


@pytest.mark.parametrize(("name", "trainable"), [("frozen", 17), ("full", 705)])
def test_baselines_without_an_adapter(toy_fit: Fit, name: str, trainable: int) -> None:
    run = toy_fit(f"adapter={name}", "trainer.max_steps=3")
    assert not (run / "adapter").exists()
    saved = load_file(run / "head.safetensors")
    assert sum(value.numel() for value in saved.values()) == trainable
    state = load_run(run).backbone.state_dict()
    for key, value in saved.items():
        assert torch.equal(state[key], value)


def test_a_new_run_never_uses_the_folder_of_another(done: Path) -> None:
    with pytest.raises(OutputExistsError, match="--resume"):
        fit("toy/regress", run_dir=done)


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
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert run_folder("toy/regress", tmp_path / "second", None)[0] == tmp_path / "second"
    monkeypatch.setenv("LOCAL_RANK", "0")
    with shared(done):
        monkeypatch.setenv("LOCAL_RANK", "1")
        assert run_folder("toy/regress", tmp_path / "second", None)[0] == done


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
    assert column(mixed) != column(full)
    assert column(mixed) == pytest.approx(column(full), rel=0.1)
    state = read_checkpoint(mixed / LAST)["state_dict"]
    assert {value.dtype for value in state.values()} == {torch.float32}


def test_rows_are_written_every_n_steps(toy_fit: Fit) -> None:
    run = toy_fit("trainer.log_every_n_steps=3", "trainer.limit_val_batches=0")
    assert [row["step"] for row in read_metrics(run / "metrics.csv")] == ["3", "6", "9", "12", "15"]


def test_a_checkpoint_of_another_base_is_not_resumed(toy_fit: Fit) -> None:
    run = toy_fit("trainer.max_steps=1")
    with pytest.raises(TrainingError, match=r"last\.ckpt: it was trained on the base"):
        toy_fit("trainer.max_steps=2", "backbone.init_seed=1", resume=run)


def test_a_method_that_distributes_its_rank_does_so(toy_fit: Fit) -> None:
    adalora = "adapter={name: adalora, init_r: 4, target_r: 1, tinit: 2, tfinal: 4, deltaT: 1}"
    run = toy_fit(
        adalora, "adapter.total_step=12", "adapter.targets=blocks", "trainer.max_steps=14"
    )
    tensors = load_file(run / "adapter" / "adapter_model.safetensors")
    ranks = [len(value) for name, value in tensors.items() if name.endswith("lora_E")]
    assert sum(ranks) == 2  # one for each of two layers on average; each began with four
    assert measure(run)["test_loss"] < 2 * max(column(run, "val_loss"))


LOGGERS = "trainer.logger=[csv, tensorboard]"
ADAPTER = "adapter={name: adalora, targets: blocks}"
"""Options that the method refuses when it is attached."""


@pytest.fixture
def refused(tmp_path: Path) -> str:
    """An option whose data are refused when training starts."""
    other = resolve("toy/regress", ["data.data_seed=9"]).data.build().train_dataloader()
    TrainingSubset.of(other, [0, 1]).write(tmp_path / "list")
    return f"data.subset={tmp_path / 'list'}"


def test_what_is_refused_leaves_no_folder(toy_fit: Fit, refused: str, tmp_path: Path) -> None:
    for option, rule in ((refused, r"data\.subset"), (ADAPTER, r"adapter 'adalora'.*total_step")):
        with pytest.raises(ScionwoodError, match=rule):
            toy_fit(option, LOGGERS)
        assert not (tmp_path / "run").exists()
    assert (toy_fit("trainer.max_steps=1") / "adapter").is_dir()


def test_a_folder_of_the_caller_stays(toy_fit: Fit, refused: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for option in (ADAPTER, refused):
        with pytest.raises(ScionwoodError):
            toy_fit(option, LOGGERS)
        assert list((tmp_path / "run").iterdir()) == []


def test_other_files_stay(toy_fit: Fit, refused: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(TrainingError):
        toy_fit(refused)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"notes.txt", "recipe.yaml"}


def test_a_run_that_goes_on_stays(toy_fit: Fit, refused: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(resolve("toy/regress").dump())
    with pytest.raises(TrainingError):
        toy_fit(refused, resume=folder)
    assert [path.name for path in folder.iterdir()] == ["recipe.yaml"]
