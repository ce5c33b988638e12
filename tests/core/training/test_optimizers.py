"""Optimisers by name: each trains, takes its options, and goes on exactly after a resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from case_table import table
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from scionwood import Task, resolve
from scionwood.errors import RecipeError, TrainingError
from scionwood.training.builtin_components import OPTIMIZERS
from scionwood.training.optimizers import Muon

NEW = hasattr(torch.optim, "Muon")
NAMES = [name for name in OPTIMIZERS if NEW or name != "muon"]
needs_muon = pytest.mark.skipif(not NEW, reason="Muon came with torch 2.9")


class Square(Task):
    """The mean square of the output."""

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        return {"loss": self.backbone(batch).square().mean()}


def made(choice: Any, **options: Any) -> torch.optim.Optimizer:
    torch.manual_seed(0)
    task = Square(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1)), optimizer=choice, **options)
    optimizer: torch.optim.Optimizer = task.configure_optimizers()["optimizer"]
    optimizer.task = task
    return optimizer


def stepped(optimizer: Any, n: int = 1) -> list[Tensor]:
    for _ in range(n):
        optimizer.zero_grad()
        optimizer.task.losses(torch.ones(2, 3))["loss"].backward()
        optimizer.step()
    return [p.detach().clone() for p in optimizer.task.parameters()]


@table("name", NAMES)
def test_every_optimiser_takes_rate_and_decay_from_the_task_and_changes_every_weight(
    name: str,
) -> None:
    optimizer = made(name, lr=1e-2, weight_decay=0.25)
    assert {(g["lr"], g["weight_decay"]) for g in optimizer.param_groups} == {(1e-2, 0.25)}
    before = [p.detach().clone() for p in optimizer.task.parameters()]
    after = stepped(optimizer)
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_options_reach_the_optimiser() -> None:
    optimizer = made({"name": "sgd", "momentum": 0.9, "nesterov": True})
    assert isinstance(optimizer, torch.optim.SGD)
    assert optimizer.param_groups[0]["momentum"] == 0.9
    assert optimizer.param_groups[0]["nesterov"] is True


@needs_muon
def test_muon_trains_matrices_and_leaves_the_rest_to_adamw() -> None:
    optimizer = made("muon")
    stepped(optimizer)
    kinds = {p.ndim: set(optimizer.state[p]) for g in optimizer.param_groups for p in g["params"]}
    assert kinds == {2: {"momentum_buffer"}, 1: {"step", "exp_avg", "exp_avg_sq"}}


@needs_muon
def test_muon_alone_trains_a_model_of_matrices() -> None:
    optimizer = Muon([{"params": [nn.Parameter(torch.ones(2, 2))], "lr": 0.1, "weight_decay": 0.0}])
    assert len(optimizer.param_groups) == 1


@needs_muon
def test_a_run_resumes_exactly_with_another_optimiser(toy_fit: Callable[..., Path]) -> None:
    given = "task.optimizer.name=muon"
    whole = toy_fit(given, "trainer.max_epochs=2", name="whole")
    toy_fit(given, "trainer.max_epochs=1", name="part")
    again = toy_fit(given, "trainer.max_epochs=2", resume=whole.parent / "part")
    for file in ("metrics.csv", "adapter/adapter_model.safetensors"):
        assert (again / file).read_bytes() == (whole / file).read_bytes()


def test_muon_says_which_torch_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon", raising=False)
    with pytest.raises(TrainingError, match=r"muon: it needs torch 2\.9.*use adamw"):
        made("muon")


@table(
    ("override", "message"),
    [
        ("task.optimizer=adamv", "task.optimizer: 'adamv': no optimizer.*Did you mean 'adam'"),
        ("task.optimizer=magic", "Known: adamw, adam, .*muon"),
        ("task.optimizer=lbfgs", "computes the loss of a batch several times"),
        ("task.optimizer={name: sgd, momentun: 0.9}", "no option 'momentun'.*'momentum'"),
        ("task.optimizer={momentum: 0.9}", "a name, or {name: ..., option: value}.*adamw"),
        ("task.optimizer={name: sgd, lr: 0.9}", "sgd: it has no option 'lr'"),
        ("task.optimizer=3", "optimizer.*str"),
    ],
)
def test_a_wrong_optimiser_is_refused_by_name(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s){message}"):
        resolve("toy/regress", [override])


def test_a_value_that_torch_refuses_is_an_error_of_the_recipe() -> None:
    with pytest.raises(RecipeError, match=r"task.optimizer: sgd.*Nesterov momentum requires"):
        made({"name": "sgd", "nesterov": True})


def test_the_recipe_of_a_run_repeats_the_choice(toy_fit: Callable[..., Path]) -> None:
    run = toy_fit(
        *("task.optimizer={name: sgd, momentum: 0.9}", "task.schedule={name: wsd, decay: 0.5}"),
        "trainer.max_steps=1",
    )
    again = resolve(run / "recipe.yaml").task.options
    assert again["optimizer"] == {"name": "sgd", "momentum": 0.9}
    assert again["schedule"] == {"name": "wsd", "decay": 0.5, "floor": 0.0}


@pytest.mark.parametrize("name", ["muon", "adafactor"])
def test_an_optimiser_of_whole_matrices_is_refused_for_spread_weights(
    tmp_path: Path, name: str
) -> None:
    place = f"file://{tmp_path}/store"
    torch.distributed.init_process_group("gloo", init_method=place, rank=0, world_size=1)
    try:
        task = Square(nn.Linear(3, 4), optimizer=name)
        fully_shard(task.backbone, mesh=init_device_mesh("cpu", (1,)))
        with pytest.raises(RecipeError, match=rf"{name}: it reads whole matrices.*strategy: ddp"):
            task.configure_optimizers()
    finally:
        torch.distributed.destroy_process_group()
