"""Fit, test and load a recipe; a run folder is all that is needed to use or repeat it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch import seed_everything
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from torch import nn

from scionwood.adapters import (
    load_adapter,
    load_head,
    remembered_identity,
    report,
)
from scionwood.errors import TrainingError
from scionwood.recipes.recipe import Overrides, Recipe, override, resolve
from scionwood.runs.base import with_base, write_base
from scionwood.runs.layout import ADAPTER, HEAD, RECIPE
from scionwood.runs.reference import find_run
from scionwood.runs.run import Run
from scionwood.training.checkpoint import StopRequested, clean_debris
from scionwood.training.data_files import reuse_skipped_files
from scionwood.training.export import export
from scionwood.training.finders import apply_finders
from scionwood.training.loaded_run import load_cached
from scionwood.training.loader import named_workers
from scionwood.training.loggers import LoggerChoice, recorded, split_loggers
from scionwood.training.options import check_installed, finders, strategy_class
from scionwood.training.precision import refuse_wrong_gradients
from scionwood.training.preparation import compiled, fuse, prepare, set_blocks
from scionwood.training.progress import progress
from scionwood.training.resume import check_start, restoring
from scionwood.training.run_folder import (
    LAST,
    RESUME,
    empty_if_refused,
    run_folder,
    shared,
)
from scionwood.training.task import Task
from scionwood.training.threads import use_free_cores
from scionwood.training.trainer import make_trainer, quiet
from scionwood.training.weights import refuse_unsafe_torch
from scionwood_sandbox.files import atomic_path, writing


def fit(
    recipe: Recipe | str | Path,
    *,
    run_dir: str | Path | None = None,
    resume: str | Path | None = None,
    overrides: Overrides = (),
    backbone: nn.Module | None = None,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
    logger: LoggerChoice | Sequence[LoggerChoice] | bool | None = None,
) -> Run:
    """Train by a recipe and write the run folder.

    `adapter/` and the head's file hold the weights of the best validation by the task's monitor,
    or the last weights if nothing was validated. A signal to stop writes them too, then exits.

    Args:
        recipe: a recipe, its YAML file, or a plugin's recipe by name, `seismic/denoise`.
        run_dir: the run folder; `None` means `runs/NAME-TIME`, or `runs/NAME-JOB` under torchrun
            and srun, where a restarted job continues its run.
        resume: the folder of a run to continue. On a CPU its losses are bit for bit those of a run
            that was never interrupted.
        overrides: keys of the recipe with other values, `{"task.lr": 3e-4}`, or as the command
            line writes them, `["task.lr=3e-4"]`.
        backbone: a backbone with an adapter, which replaces that of the recipe; see `build`.
        callbacks: callbacks of Lightning, in addition to those of the recipe.
        loggers: loggers of Lightning, in addition to those of the recipe.
        logger: a logger or a list of them. A name, or a mapping of a name and options, replaces
            `trainer.logger` of the recipe; `False` leaves it out. Objects are added as `loggers`.

    Returns:
        The run folder, a path that also has the trained model, its metrics and its figures.

    Raises:
        RecipeError: the recipe does not exist, is not valid, or names what is not installed.
        TrainingError: a value is not finite, or the checkpoint does not fit.
        WriteError: the disk is full; the last checkpoint is whole.
        SystemExit: after SIGTERM or Ctrl-C, with 128 + the signal's number.

    Example:
        >>> recipe = scionwood.resolve("pde/dynamics", smoke=True)  # makes it small
        >>> run = scionwood.fit(recipe, run_dir="runs/first")
        >>> (run / "adapter" / "adapter_model.safetensors").is_file()
        True
        >>> run = scionwood.fit(recipe, run_dir="runs/slower", overrides={"task.lr": 1e-4})
        >>> "metrics" in run.figures
        True
    """
    refuse_unsafe_torch()
    logger_override, logger_objects = split_loggers(logger)
    recipe = _resolved(_resolved(recipe, overrides), logger_override)
    check_installed(recipe.trainer)
    use_free_cores()
    created = resume is None and not (run_dir is not None and Path(run_dir).exists())
    folder, again = run_folder(recipe.name, _path(run_dir), _path(resume))
    with empty_if_refused(folder, created=created):
        return _fit(recipe, folder, again, backbone, callbacks, [*loggers, *logger_objects])


def _fit(
    recipe: Recipe,
    folder: Path,
    again: bool,
    backbone: nn.Module | None,
    callbacks: Sequence[Callback],
    loggers: Sequence[Logger],
) -> Run:
    recipe = with_base(folder, _apply_finders(recipe, backbone, folder, again))
    builds_backbone = backbone is None
    seed_everything(recipe.seed, workers=True, verbose=False)
    if backbone is None:
        empty = getattr(strategy_class(recipe.trainer), "empty_backbone", None)
        backbone = empty(recipe, prepare) if empty else None
    start = folder / LAST if again and (folder / LAST).exists() else None
    with reuse_skipped_files(folder if start else None):
        task, data = build(recipe, backbone)
    step = check_start(task, start) if start else 0
    stopped = None
    with quiet(), shared(folder, is_new=not again), named_workers():
        trainer = make_trainer(recipe.trainer, folder, task, step, callbacks, loggers)
        refuse_wrong_gradients(task, trainer.precision, trainer.strategy.root_device)
        if trainer.is_global_zero:
            _write_recipe(folder, recipe, is_new=start is None)
            if builds_backbone:
                write_base(folder, recipe)
            print(report(task.backbone), file=sys.stderr)
        with recorded(trainer, recipe, task.base.sha256, folder):
            try:
                with restoring(start), compiled(task.backbone, recipe.compile):
                    trainer.fit(task, datamodule=data, ckpt_path=start, weights_only=True)
            except StopRequested as signal:
                stopped = signal
            with writing(f"results in {folder}", then=RESUME):
                export(task, trainer, folder, recipe)
    if stopped is not None:
        raise stopped
    return Run(folder)


def test(run_dir: str | Path, recipe: Recipe | str | Path | None = None) -> dict[str, float]:  # noqa: PT028
    """Measure a finished run on its test split.

    Args:
        run_dir: the run folder, or another reference to a run; see `find_run`.
        recipe: another recipe, whose task and test split measure the run; `None` means its own.

    Returns:
        The task's losses and metrics, `test_loss` and so on, averaged over samples.

    Raises:
        TrainingError: the run is not finished, or the other recipe has another backbone.

    Example:
        >>> run = scionwood.fit(scionwood.resolve("pde/dynamics", smoke=True), run_dir="runs/first")
        >>> scionwood.test(run)["test_loss"] > 0
        True
    """
    run_dir = find_run(run_dir)
    run_recipe, task = resolve(run_dir / RECIPE), load_run(run_dir)
    recipe = run_recipe if recipe is None else _resolved(recipe)
    same = recipe.data == run_recipe.data
    if recipe.backbone != run_recipe.backbone:
        rule = f"its backbone is not that of the run {run_dir}"
        raise TrainingError(f"recipe {recipe.name}", rule, "Name the same, with the same options")
    if recipe is not run_recipe:
        task = recipe.task.build(task.backbone).requires_grad_(False).eval()
    bar = bool(recipe.trainer.get("enable_progress_bar", True))
    with quiet():
        trainer = L.Trainer(
            accelerator=recipe.trainer.get("accelerator", "auto"),
            devices=1,
            inference_mode=not task.needs_gradient,
            precision=recipe.trainer.get("precision"),
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=bar,
            callbacks=[progress()] if bar else [],
            default_root_dir=run_dir,
        )
        with reuse_skipped_files(run_dir if same else None):
            data = recipe.data.build()
        (metrics,) = trainer.test(task, datamodule=data, verbose=False)
    return dict(metrics)


def load_run(run_dir: str | Path, device: str | torch.device = "cpu") -> Task:
    """Rebuild a run's task with its adapter and head, for inference.

    Args:
        run_dir: the run folder, or another reference to a run such as `seismic/denoise`; see
            `find_run`. The adapter is checked against the hash of the base.
        device: the device of the result.

    Returns:
        The task in evaluation mode; nothing in it requires a gradient.

    Raises:
        TrainingError: the folder does not hold a finished run.
        AdapterFileError: a file is damaged, or was made for another base.

    Example:
        >>> task = scionwood.load_run("seismic/denoise")
        >>> any(parameter.requires_grad for parameter in task.parameters())
        False
    """
    return load_cached(_load, find_run(run_dir), device)


def _load(run_dir: Path, device: str | torch.device) -> Task:
    use_free_cores()
    recipe = with_base(run_dir, resolve(run_dir / RECIPE))
    backbone = recipe.backbone.build()
    if recipe.adapter.component is None:
        prepare(backbone, recipe)
    else:
        whole_modules = recipe.adapter.options.get("modules_to_save") or ()
        backbone = load_adapter(backbone, run_dir / ADAPTER, whole=whole_modules)
    if (run_dir / HEAD).is_file():
        load_head(backbone, run_dir / HEAD)
    fuse(backbone, recipe)
    task: Task = recipe.task.build(backbone)
    return task.requires_grad_(False).eval().to(device)


def build(
    recipe: Recipe | str | Path, backbone: nn.Module | None = None
) -> tuple[Task, L.LightningDataModule]:
    """Build the task of a recipe with its adapter attached, and its data.

    Args:
        recipe: a recipe, its YAML file, or a plugin's recipe by name.
        backbone: a backbone with an adapter, such as that of a previous task; `None` means that of
            the recipe.

    Returns:
        The task in training mode, and the data module.

    Raises:
        RecipeError: the recipe does not exist, or is not valid.

    Example:
        >>> task, data = scionwood.build("seismic/denoise")
        >>> scionwood.report(task.backbone).trainable_adapter
        196608
    """
    recipe = _resolved(recipe)
    if backbone is None:
        backbone = prepare(recipe.backbone.build(), recipe)
    fuse(backbone, recipe)
    task: Task = recipe.task.build(backbone)
    task.base = remembered_identity(backbone)
    set_blocks(task.train().backbone, recipe)
    return task, recipe.data.build()


def _resolved(recipe: Recipe | str | Path, overrides: Overrides = ()) -> Recipe:
    if not isinstance(recipe, Recipe):
        return resolve(recipe, overrides)
    return override(recipe, overrides) if overrides else recipe


def _apply_finders(recipe: Recipe, backbone: nn.Module | None, folder: Path, again: bool) -> Recipe:
    """Return the recipe with what its finders find; a run that goes on has found it already."""
    if not finders(recipe.trainer):
        return recipe
    if again:
        return resolve(folder / RECIPE)
    with quiet():
        return apply_finders(recipe, lambda recipe: build(recipe, deepcopy(backbone)))


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)


def _write_recipe(folder: Path, recipe: Recipe, *, is_new: bool) -> None:
    clean_debris(folder, is_new=is_new)
    with writing(folder / RECIPE), atomic_path(folder / RECIPE) as part:
        part.write_text(recipe.dump(), encoding="utf-8")
