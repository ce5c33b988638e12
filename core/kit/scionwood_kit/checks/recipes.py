"""Every recipe is strict and trains, and the loss of the first one falls."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning as L
import torch
import yaml

from scionwood.errors import RecipeError, ScionwoodError
from scionwood.plugins.plugin import Plugin
from scionwood.recipes.recipe import Recipe, resolve
from scionwood.training.run import build, fit
from scionwood.training.trainer import quiet
from scionwood_kit.cases import RecipeCase, cases, seeded
from scionwood_kit.checks.data import first_batch, seed_everything
from scionwood_kit.checks.static import recipe_names
from scionwood_kit.rules import NothingToCheck, Problem, check

STEPS = 30
"""The number of steps in which the loss of the first recipe must fall."""

EARLY = 10
"""The steps of a first attempt. Most recipes learn in them, so that the check costs little."""

_SLOTS = ("task", "backbone", "data", "adapter")


@check
def check_recipes_are_complete(plugin: Plugin) -> Iterator[Problem]:
    """Every task is used by a recipe, so that the checks of training reach it."""
    if not plugin.tasks:
        raise NothingToCheck("no tasks")
    used = {resolve(name).task.name for name in _names(plugin)}
    for name in plugin.tasks:
        if f"{plugin.name}/{name}" not in used:
            remedy = "Add a recipe; if it is not small, add overrides under `smoke:`"
            yield Problem(f"task {name!r}: no recipe", "a recipe uses each task", remedy)


@check
def check_recipes_parse_strictly(plugin: Plugin) -> Iterator[Problem]:
    """A recipe resolves as written, as `smoke`, and from its own dump.

    A misspelt key is refused, and the error names the right key.
    """
    for name in _required_names(plugin):
        try:
            written = resolve(name)
            resolve(name, smoke=True)
        except ScionwoodError as error:
            yield Problem(f"recipe {name!r}: {error.value}", error.rule, error.remedy)
            continue
        with TemporaryDirectory() as folder:
            path = Path(folder) / "recipe.yaml"
            yield from _dump_faults(name, path, written)
            for slot in _SLOTS:
                fault = _misspelt(path, written.dump(), slot)
                if fault:
                    rule = "a misspelt key is refused, and the error names the right one"
                    remedy = "Name every parameter; take no **kwargs"
                    yield Problem(f"recipe {name!r}, {slot}: {fault}", rule, remedy)


@check
def check_recipes_run(plugin: Plugin) -> Iterator[Problem]:
    """`scionwood fit NAME --smoke` takes two CPU steps and leaves a run with finite losses."""
    for name in _required_names(plugin):
        with TemporaryDirectory() as folder, chdir(folder), seed_everything(0):
            fault = _smoke_fault(name, Path("run"))
        if fault:
            rule = "a recipe trains two steps on the CPU at its smoke size"
            remedy = f"Try: scionwood fit {name} --smoke --trainer.max_steps 2"
            yield Problem(f"recipe {name!r}: {fault}", rule, remedy)


@check
def check_loss_falls(plugin: Plugin) -> Iterator[Problem]:
    """The first recipe with an adapter lowers the loss of its first batch in thirty steps.

    Ten steps are tried first.
    """
    adapted = [case for case in cases(plugin) if isinstance(case, RecipeCase)]
    if not adapted:
        raise NothingToCheck("no recipe with an adapter")
    for steps in (EARLY, STEPS):
        before, after = _losses(adapted[0], steps)
        if after < before:
            break
    else:
        rule = f"the loss of the first batch falls in {STEPS} steps"
        remedy = "Raise lr in `smoke:`, or check that gradients reach the adapter"
        yield Problem(f"{adapted[0]}: {before:.6g} -> {after:.6g}", rule, remedy)


def _names(plugin: Plugin) -> list[str]:
    return [f"{plugin.name}/{name}" for name in recipe_names(plugin)]


def _required_names(plugin: Plugin) -> list[str]:
    names = _names(plugin)
    if not names:
        raise NothingToCheck("no recipes")
    return names


def _dump_faults(name: str, path: Path, written: Recipe) -> Iterator[Problem]:
    rule, remedy = "a resolved recipe resolves to itself", "Use options that YAML can hold"
    path.write_text(written.dump(), "utf-8")
    try:
        again = resolve(path)
    except ScionwoodError as error:
        yield Problem(f"recipe {name!r}: its dump is refused ({error})", rule, remedy)
        return
    for slot in _SLOTS:
        left, right = getattr(written, slot).options, getattr(again, slot).options
        for key in sorted(key for key in left if left[key] != right.get(key)):
            yield Problem(f"recipe {name!r}: {slot}.{key} reads otherwise", rule, remedy)


def _misspelt(path: Path, dumped: str, slot: str) -> str:
    raw = yaml.safe_load(dumped)
    # `targets` is not an option of the method, so other options are nearer to it.
    options = sorted((key for key in raw[slot] if key not in ("name", "targets")), key=len)
    if not options:
        return ""
    option = options[-1]
    raw[slot][f"{option}x"] = raw[slot].pop(option)
    path.write_text(yaml.safe_dump(raw), "utf-8")
    try:
        resolve(path)
    except RecipeError as error:
        names_option = f"{option}x" in str(error) and repr(option) in str(error)
        return "" if names_option else f"the error does not name {option!r}: {error}"
    return f"{option}x is accepted"


def _smoke_fault(name: str, run: Path) -> str:
    output = StringIO()
    try:
        with redirect_stdout(output), redirect_stderr(output):
            small = ("trainer.max_steps=2", "trainer.accelerator=cpu")
            fit(resolve(name, small, smoke=True), run_dir=run)
    except ScionwoodError as error:
        return str(error)
    return _run_fault(run)


def _run_fault(run: Path) -> str:
    missing = [item for item in ("recipe.yaml", "metrics.csv") if not (run / item).is_file()]
    if missing:
        return f"the run folder lacks {', '.join(missing)}"
    with (run / "metrics.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    losses = [float(v) for row in rows for k, v in row.items() if "loss" in k and v]
    if not losses:
        return "metrics.csv holds no loss"
    return "" if all(map(math.isfinite, losses)) else "a loss is not finite"


def _losses(case: RecipeCase, steps: int) -> tuple[float, float]:
    recipe = case.recipe
    batch = first_batch(recipe.data, recipe.seed)
    with seed_everything(recipe.seed), quiet(), TemporaryDirectory() as folder:
        task, data = build(recipe)
        before = _loss(task, batch)
        _trainer(recipe.trainer, steps, folder).fit(task, data)
    return before, _loss(task, batch)


def _loss(task: Any, batch: Any) -> float:
    task.eval()
    with seeded(), torch.set_grad_enabled(task.needs_gradient):
        return float(task.losses(batch)["loss"].detach())


def _trainer(options: Any, steps: int, folder: str) -> L.Trainer:
    # The steps of the recipe; what a task writes into its run folder goes with the folder.
    shared_keys = ("gradient_clip_val", "gradient_clip_algorithm", "accumulate_grad_batches")
    return L.Trainer(
        **{key: options[key] for key in shared_keys if key in options},
        accelerator="cpu",
        devices=1,
        max_steps=steps,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
