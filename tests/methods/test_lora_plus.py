"""LoRA+ trains the matrices B faster, as the optimiser of peft does."""

from __future__ import annotations

import pytest
import torch
from peft import LoraConfig
from peft.optimizers import create_loraplus_optimizer
from torch import nn

import scionwood
from scionwood import TrainingError
from scionwood_methods.lora_plus import lora_plus


def tuned() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    return scionwood.attach(model, LoraConfig(r=2), targets="0|2", head=())


def trained(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    for step in range(3):
        optimizer.zero_grad()
        model(torch.ones(3, 4) * (step + 1)).square().mean().backward()
        optimizer.step()
    return [p.detach() for p in model.parameters() if p.requires_grad]


def test_it_steps_as_the_optimiser_of_peft_does():
    ours, theirs = tuned(), tuned()
    own = lora_plus(scionwood.parameter_groups(ours, 1e-2), ours, ratio=8.0)
    ref = create_loraplus_optimizer(
        theirs, torch.optim.AdamW, lr=1e-2, loraplus_lr_ratio=8.0, eps=1e-8
    )
    pairs = zip(trained(ours, own), trained(theirs, ref), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_rate_and_the_decay_follow_the_groups_of_the_task():
    model = tuned()
    model.get_base_model()[2].base_layer.bias.requires_grad_(True)
    own = lora_plus(scionwood.parameter_groups(model, 1e-2, 0.3), model, ratio=4.0)
    groups = {g["name"]: (len(g["params"]), g["lr"], g["weight_decay"]) for g in own.param_groups}
    assert groups == {
        "adapter": (2, 1e-2, 0.3),
        "adapter, B": (2, 4e-2, 0.3),
        "head": (1, 1e-2, 0.3),
    }


def test_it_needs_lora_and_a_positive_ratio():
    bare = nn.Linear(2, 2)
    with pytest.raises(TrainingError, match="no trained parameter is a matrix B"):
        lora_plus(scionwood.parameter_groups(bare, 1e-2), bare)
    model = tuned()
    with pytest.raises(TrainingError, match="ratio -1"):
        lora_plus(scionwood.parameter_groups(model, 1e-2), model, ratio=-1)


@pytest.mark.usefixtures("_undrawn")
def test_a_recipe_trains_with_it(tmp_path):
    pytest.importorskip("scionwood_pde")
    recipe = scionwood.resolve("pde/dynamics", ["trainer.logger=csv", "adapter=lora"], smoke=True)
    given = {"task.optimizer": {"name": "methods/lora_plus", "ratio": 4.0}}
    run = scionwood.fit(recipe, run_dir=tmp_path / "run", overrides=given)
    again = scionwood.resolve(run / "recipe.yaml").task.options["optimizer"]
    assert again["name"] == "methods/lora_plus"
    assert again["ratio"] == 4.0
