"""Checkpoints are written completely or not at all, and read without running code in them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from case_table import table
from torch import nn

from scionwood.errors import TrainingError, WriteError
from scionwood.training.checkpoint import (
    LAST,
    SafeCheckpointIO,
    check_state,
    read_checkpoint,
    trained_keys,
)
from scionwood.training.weights import UNSAFE


class Bomb:
    """A pickle that creates a file when it is loaded unsafely."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    state = {"state_dict": {"a": torch.arange(3)}, "epoch": 2}
    SafeCheckpointIO().save_checkpoint(state, tmp_path / "new" / "a.ckpt")
    checkpoint = SafeCheckpointIO().load_checkpoint(tmp_path / "new" / "a.ckpt", weights_only=False)
    assert checkpoint["epoch"] == 2
    assert torch.equal(checkpoint["state_dict"]["a"], torch.arange(3))
    assert os.listdir(tmp_path / "new") == ["a.ckpt"]


@table("weights_only", [True, False, None])
def test_code_in_a_checkpoint_is_never_run(tmp_path: Path, weights_only: bool | None) -> None:
    path, trace = tmp_path / "evil.ckpt", tmp_path / "trace"
    torch.save({"state_dict": {}, "hyper_parameters": Bomb(trace)}, path)
    with pytest.raises(TrainingError, match="holds more than tensors"):
        SafeCheckpointIO().load_checkpoint(path, weights_only=weights_only)
    assert not trace.exists()


@table("content", [b"", b"PK\x03\x04 half", b"text"], ids=["empty", "half", "text"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"a\.ckpt: it is damaged"):
        read_checkpoint(tmp_path / "a.ckpt")


def test_a_run_does_not_resume_from_hostile_code_or_what_is_no_regular_file(
    toy_fit: Callable[..., Path], tmp_path: Path
) -> None:
    run, trace = toy_fit("trainer.max_steps=1"), tmp_path / "trace"
    last, good = run / LAST, (run / LAST).with_name("good.ckpt")
    last.rename(good)
    bomb = {**read_checkpoint(good), "hyper_parameters": {"_instantiator": Bomb(trace)}}
    for make, rule in [
        (lambda: torch.save(bomb, last), "holds more than tensors"),
        (lambda: os.mkfifo(last), "not a regular file"),
        (lambda: last.symlink_to("/dev/zero"), "it is a link"),
        (lambda: last.symlink_to(good), "it is a link"),
        (last.mkdir, "not a regular file"),
    ]:
        make()
        with pytest.raises(TrainingError, match=f"last.ckpt: .*{rule}"):
            toy_fit("trainer.max_steps=2", resume=run)
        last.rmdir() if last.is_dir() else last.unlink()
    assert not trace.exists()


def test_a_remote_checkpoint_is_refused() -> None:
    with pytest.raises(TrainingError, match="this machine's disk only"):
        SafeCheckpointIO().load_checkpoint("http://127.0.0.1:9/a.ckpt")


def test_nothing_starts_if_torch_is_set_to_run_code(
    toy_fit: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(UNSAFE, "1")
    with pytest.raises(TrainingError, match=UNSAFE):
        toy_fit()
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_the_old_checkpoint(disk: Callable[[str], Path]) -> None:
    small_disk = disk("256k")
    path = small_disk / "a.ckpt"
    SafeCheckpointIO().save_checkpoint({"state_dict": {"a": torch.ones(1000)}}, path)
    with pytest.raises(WriteError, match=r"a\.ckpt.*No space left"):
        SafeCheckpointIO().save_checkpoint({"state_dict": {"a": torch.zeros(100_000)}}, path)
    assert torch.equal(read_checkpoint(path)["state_dict"]["a"], torch.ones(1000))
    assert os.listdir(small_disk) == ["a.ckpt"]


def test_a_run_on_a_full_disk_stops_with_a_remedy_and_resumes_later(
    toy_fit: Callable[..., Path], disk: Callable[[str], Path]
) -> None:
    small_disk = disk("256k")
    every = "trainer.callbacks=[{name: checkpoint, every_n_steps: 1}]"
    run = toy_fit(every, "trainer.max_steps=2", "trainer.limit_val_batches=0", name="disk/run")
    free = os.statvfs(small_disk)
    filler = small_disk / "filler"
    filler.write_bytes(bytes((free.f_bavail - 2) * free.f_frsize))
    with pytest.raises(WriteError, match="No space left"):
        toy_fit(every, "trainer.max_steps=4", "trainer.limit_val_batches=0", resume=run)
    assert read_checkpoint(run / LAST)["global_step"] == 2
    filler.unlink()
    toy_fit(every, "trainer.max_steps=4", "trainer.limit_val_batches=0", resume=run)
    assert read_checkpoint(run / LAST)["global_step"] == 4


def test_a_checkpoint_holds_no_frozen_weights(toy_fit: Callable[..., Path]) -> None:
    run = toy_fit("trainer.max_steps=1", "backbone.width=256", "backbone.depth=4")
    names = read_checkpoint(run / LAST)["state_dict"].keys()
    assert all("lora_" in name or "readout" in name for name in names)
    assert len(names) == 2 * 4 + 2
    assert (run / LAST).stat().st_size < 4 * 256 * 256 * 4 / 8, "an eighth of the frozen blocks"


def test_the_checkpoint_of_another_recipe_is_refused_by_name(toy_fit: Callable[..., Path]) -> None:
    run = toy_fit("trainer.max_steps=1")
    with pytest.raises(TrainingError, match=r"another shape: .*lora_A"):
        toy_fit("trainer.max_steps=2", "adapter.r=4", resume=run)


@pytest.fixture
def model() -> nn.Module:
    """A frozen base with running statistics, and a head whose norm has statistics only."""
    base = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)).requires_grad_(False)
    head = nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2, affine=False))
    return nn.Sequential(base, head)


def test_trainable_weights_and_their_buffers_are_kept(model: nn.Module) -> None:
    statistics = {f"1.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert trained_keys(model) == {"1.0.weight", "1.0.bias"} | statistics
    state = model.state_dict()
    check_state(model, {key: state[key] for key in trained_keys(model)})
    assert trained_keys(model.requires_grad_(True)) == state.keys()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda state: state.pop("1.0.bias"), "missing: 1.0.bias"),
        (lambda state: state.update({"0.0.weight": torch.zeros(4, 4)}), "unknown: 0.0.weight"),
        (lambda state: state.update({"1.0.bias": torch.zeros(3)}), "another shape: 1.0.bias"),
    ],
    ids=["missing", "frozen weight", "shape"],
)
def test_any_other_checkpoint_is_refused_by_name(model: nn.Module, change, named: str) -> None:
    state = {key: model.state_dict()[key] for key in trained_keys(model)}
    change(state)
    with pytest.raises(TrainingError, match=named):
        check_state(model, state)
