"""Two processes over gloo compute what one process computes on the whole batch."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from run_column import column
from safetensors.torch import load_file

from scionwood.training.checkpoint import LAST, read_checkpoint

TrainPair = Callable[..., None]
STRATEGIES = ("ddp", "scale/model_parallel")
EVERY = "trainer.callbacks=[{name: checkpoint, every_n_steps: 1}]"
BETA1 = 0.9  # of AdamW: after one step its first moment is (1 - beta1) times the gradient


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_gradients_and_adapter_equal_those_of_one_process(
    train_pair: TrainPair, toy_fit: Callable[..., Path], tmp_path: Path, strategy: str
) -> None:
    pair, steps = tmp_path / "pair", ("trainer.max_steps=1", "trainer.logger=csv")
    train_pair(f"trainer.strategy={strategy}", *steps, "data.batch_size=8", run_dir=pair)
    one = toy_fit(*steps, "data.batch_size=16", name="one")

    expected, summed = gradients(one), gradients(pair)
    assert len(expected) == len(summed) == 6  # A and B of two blocks, the head's weight and bias
    assert max(float(g.abs().max()) for g in expected) > 1e-2
    for left, right in zip(expected, summed, strict=True):
        torch.testing.assert_close(right, left, rtol=0, atol=1e-6)
    for file in ("adapter/adapter_model.safetensors", "head.safetensors"):
        torch.testing.assert_close(load_file(pair / file), load_file(one / file), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "strategy", [STRATEGIES[0], *(pytest.param(s, marks=pytest.mark.slow) for s in STRATEGIES[1:])]
)
def test_two_processes_resume_exactly(train_pair: TrainPair, tmp_path: Path, strategy: str) -> None:
    options = (f"trainer.strategy={strategy}", "backbone.dropout=0.2", "data.jitter=0.1", EVERY)
    options = (*options, "trainer.logger=csv", "trainer.max_epochs=-1")
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train_pair(*options, "trainer.max_steps=7", run_dir=whole)  # four steps an epoch
    train_pair(*options, "trainer.max_steps=6", run_dir=cut)
    train_pair(*options, "trainer.max_steps=7", resume=cut)
    assert column(cut) == column(whole)
    for left, right in zip(gradients(cut), gradients(whole), strict=True):
        assert torch.equal(left, right)


@pytest.mark.slow
def test_processes_started_by_the_command_line_share_one_folder(tmp_path: Path) -> None:
    options = ["--trainer.devices=2", "--trainer.max_steps=1", "--trainer.logger=csv"]
    command = [sys.executable, "-m", "scionwood.cli", "fit", "toy/regress", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    assert (run / "adapter" / "adapter_model.safetensors").is_file()
    assert len(column(run)) == 1


def gradients(run: Path) -> list[torch.Tensor]:
    """Return the gradients from AdamW's first moments, in the order of the parameters' names."""
    state: dict[Any, Any] = read_checkpoint(run / LAST)["optimizer_states"][0]["state"]
    return [state[key]["exp_avg"] / (1 - BETA1) for key in sorted(state)]
