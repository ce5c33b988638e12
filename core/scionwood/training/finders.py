"""Find a learning rate or a batch size before training, and write it into the recipe.

A run then follows an ordinary recipe, which repeats it. So does a resumed run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch import seed_everything
from lightning.pytorch.tuner.tuning import Tuner

from scionwood.errors import RecipeError, TrainingError
from scionwood.recipes.recipe import Recipe
from scionwood.training.checkpoint import SafeCheckpointIO
from scionwood.training.launch import many
from scionwood.training.options import finders, without_finders
from scionwood.training.task import Task

Build = Callable[[Recipe], tuple[Task, L.LightningDataModule]]
_SHARED = ("accelerator", "precision", "gradient_clip_val", "gradient_clip_algorithm")


def apply_finders(recipe: Recipe, build: Build) -> Recipe:
    """Return the recipe with what its finders have found, and without them.

    The batch size is found first, because the learning rate depends on it.
    """
    chosen = sorted(finders(recipe.trainer), key=lambda finder: finder.name)
    if chosen and not _is_one_process(recipe):
        rule = "it runs in one process on one device"
        remedy = "Find the value with trainer.devices 1, then write it into the recipe"
        raise RecipeError(f"trainer.callbacks: {chosen[0].name}", rule, remedy)
    for finder in chosen:
        recipe = finder.build(recipe, build)
    return replace(recipe, trainer=without_finders(recipe.trainer))


def find_lr(recipe: Recipe, build: Build, **options: Any) -> Recipe:
    """Return the recipe with the learning rate at which the loss falls most steeply.

    Args:
        recipe: the recipe.
        build: builds a task and its data.
        options: those of Lightning's `LearningRateFinder`.

    Raises:
        TrainingError: the losses show no such rate.
    """
    task, data = _built(recipe, build)
    steps = options.pop("num_training_steps", 100)
    options |= {"num_training": steps, "update_attr": False}
    with TemporaryDirectory() as place:
        search = Tuner(_trainer(recipe, task, place)).lr_find(task, datamodule=data, **options)
    rate = search.suggestion() if search else None
    if rate is None:
        rule = f"the losses of {steps} steps show no rate at which they fall"
        raise TrainingError("lr_finder", rule, "Allow more steps, or other rates")
    return _changed(recipe, "task", "lr", float(f"{rate:.3g}"))


def find_batch_size(recipe: Recipe, build: Build, **options: Any) -> Recipe:
    """Return the recipe with the largest batch that fits into the memory of the device.

    Args:
        recipe: the recipe.
        build: builds a task and its data.
        options: those of Lightning's `BatchSizeFinder`.

    Raises:
        RecipeError: the data component takes no `batch_size`.
    """
    task, data = _built(recipe, build)
    if "batch_size" not in recipe.data.options or not hasattr(data, "batch_size"):
        rule = f"{recipe.data.name} has no option and attribute batch_size"
        raise RecipeError("trainer.callbacks: batch_size_finder", rule, "Leave it out")
    _alias(data)
    options |= {"batch_arg_name": "samples_in_a_batch"}
    with TemporaryDirectory() as place:
        tuner = Tuner(_trainer(recipe, task, place))
        size = tuner.scale_batch_size(task, datamodule=data, **options)
    return _changed(recipe, "data", "batch_size", size or options.get("init_val", 2))


def _is_one_process(recipe: Recipe) -> bool:
    devices, nodes = recipe.trainer.get("devices", "auto"), recipe.trainer.get("num_nodes", 1)
    if devices in ("auto", -1, "-1"):
        on_cpu = recipe.trainer.get("accelerator", "auto") == "cpu"
        devices = 1 if on_cpu or torch.cuda.device_count() < 2 else 2
    single = devices in (1, "1") or (isinstance(devices, list) and len(devices) == 1)
    return single and nodes == 1 and not many()


def _built(recipe: Recipe, build: Build) -> tuple[Task, L.LightningDataModule]:
    seed_everything(recipe.seed, workers=True, verbose=False)
    return build(recipe)


def _trainer(recipe: Recipe, task: Task, place: str) -> L.Trainer:
    options: dict[str, Any] = {k: v for k, v in recipe.trainer.items() if k in _SHARED}
    return L.Trainer(
        **options,
        devices=1,
        inference_mode=not task.needs_gradient,
        max_epochs=-1,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=place,
        plugins=[SafeCheckpointIO()],
    )


def _alias(data: L.LightningDataModule) -> None:
    # The tuner sets the attribute of data and task alike, and `Task.batch_size` is a method.
    def read(self: Any) -> int:
        return int(self.batch_size)

    def write(self: Any, size: int) -> None:
        self.batch_size = size

    kind = type(data)
    data.__class__ = type(kind.__name__, (kind,), {"samples_in_a_batch": property(read, write)})


def _changed(recipe: Recipe, slot: Literal["task", "data"], key: str, value: float) -> Recipe:
    old = getattr(recipe, slot)
    print(f"fit: {slot}.{key} {value:g} found (was {old.options[key]})", file=sys.stderr)
    changed = replace(old, options={**old.options, key: value})
    return replace(recipe, task=changed) if slot == "task" else replace(recipe, data=changed)
