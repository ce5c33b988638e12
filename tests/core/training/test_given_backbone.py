"""A run on a given backbone, with callbacks of the caller, measured by another recipe."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import load_file

from scionwood import build, fit, resolve
from scionwood import test as measure
from scionwood.errors import AdapterError, TrainingError

SMALL = ("trainer.max_steps=2", "trainer.logger=false")


class Counting(Callback):
    def __init__(self) -> None:
        self.models: list[torch.nn.Module] = []

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_) -> None:
        self.models.append(pl_module.backbone)


def adapter(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "adapter" / "adapter_model.safetensors")


def test_a_given_backbone_continues_to_train(tmp_path: Path) -> None:
    recipe, counting = resolve("toy/regress", SMALL), Counting()
    model = build(recipe)[0].backbone
    first = fit(recipe, run_dir=tmp_path / "first", backbone=model)
    second = fit(recipe, run_dir=tmp_path / "second", backbone=model, callbacks=[counting])
    alone = fit(recipe, run_dir=tmp_path / "alone")
    assert counting.models == [model, model]
    assert any(not torch.equal(adapter(first)[k], v) for k, v in adapter(second).items())
    assert adapter(second).keys() == adapter(alone).keys()


def test_only_the_adapter_that_trains_is_written_if_several_are_active(tmp_path: Path) -> None:
    recipe = resolve("toy/regress", SMALL)
    model = build(recipe)[0].backbone
    model.add_adapter("past", model.peft_config["default"])
    model.base_model.set_adapter(["default", "past"])
    with pytest.raises(AdapterError, match="one must be chosen"):
        fit(recipe, run_dir=tmp_path / "both", backbone=model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and ".past." not in name)
    run = fit(recipe, run_dir=tmp_path / "run", backbone=model)
    trained = dict(model.named_parameters())
    for key, value in adapter(run).items():
        assert torch.equal(value, trained[key.replace(".weight", ".default.weight")])


def test_a_run_is_measured_by_another_recipe(tmp_path: Path) -> None:
    run = fit(resolve("toy/regress", SMALL), run_dir=tmp_path / "run")
    same = measure(run, resolve("toy/regress", SMALL))
    assert same == measure(run)
    assert measure(run, resolve("toy/regress", [*SMALL, "data.data_seed=7"])) != same
    with pytest.raises(TrainingError, match="backbone is not that of the run"):
        measure(run, resolve("toy/regress", [*SMALL, "backbone.depth=3"]))
