"""What a plugin adds to the trainer: callbacks, loggers, optimisers and schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from peft import LoraConfig
from torch.optim import Optimizer
from torch.utils.data import TensorDataset

from scionwood.adapters import attach
from scionwood.plugins.plugin import Plugin
from scionwood.training.loader import DataLoader
from scionwood.training.task import Optimiser, Task
from scionwood.training.trainer import quiet
from scionwood_kit.cases import seeded
from scionwood_kit.checks.data import seed_everything
from scionwood_kit.checks.static import component
from scionwood_kit.offline import offline
from scionwood_kit.rules import NothingToCheck, Problem, check
from scionwood_kit.tensors import digest

KINDS = ("callbacks", "loggers", "optimizers", "schedules")
STEPS = 3
"""The optimiser steps of a smoke run."""

_Fault = tuple[str, str, str]


@check
def check_trainer_parts_build(plugin: Plugin) -> Iterator[Problem]:
    """With their defaults, callbacks, loggers and optimisers are built; schedules are shares.

    A callback is one of Lightning. A logger of Lightning gets the run folder. Neither uses the
    network. An optimiser of torch gets a group of a small net with LoRA. A schedule is 1 at step 0,
    finite and not negative later, for a run of known and of unknown length.
    """
    builds: Mapping[str, Callable[[Any], Iterator[_Fault]]] = {
        "callbacks": _callback_faults,
        "loggers": _logger_faults,
        "optimizers": _optimizer_faults,
        "schedules": _schedule_faults,
    }
    for kind, name, part in _parts(plugin):
        for value, rule, remedy in builds[kind](part):
            yield Problem(f"{kind} {name!r}: {value}", rule, remedy)


@check
def check_trainer_parts_run(plugin: Plugin) -> Iterator[Problem]:
    """Three steps of a small net run with each of them by its name, and weights move.

    All callbacks and loggers of the plugin take part in every run.
    """
    parts = list(_parts(plugin))
    option_sets: list[Optimiser] = [
        {"optimizer": f"{plugin.name}/{name}"} for kind, name, _ in parts if kind == "optimizers"
    ]
    option_sets += [
        {"schedule": f"{plugin.name}/{name}"} for kind, name, _ in parts if kind == "schedules"
    ]
    for options in option_sets or [Optimiser()]:
        with TemporaryDirectory() as folder, chdir(folder), seed_everything(0), quiet():
            moved, logged = _smoke_run(options, parts, Path("run"))
        where = f"a run with {options or 'its callbacks and loggers'}"
        if not moved:
            rule = "an optimiser changes the weights that it gets"
            yield Problem(f"{where}: no weight moved", rule, "Pass every group on to torch")
        if not math.isfinite(logged):
            rule = "the loss stays finite"
            yield Problem(f"{where}: the loss is {logged}", rule, "Lower the rate of its defaults")


def _parts(plugin: Plugin) -> Iterator[tuple[str, str, Any]]:
    if not any(getattr(plugin, kind) for kind in KINDS):
        raise NothingToCheck("no callbacks, loggers, optimisers or schedules")
    for kind in KINDS:
        for name, reference in getattr(plugin, kind).items():
            yield kind, name, component(reference)


def _callback_faults(part: Any) -> Iterator[_Fault]:
    with offline() as tried:
        callback = part()
    if not isinstance(callback, Callback):
        yield type(callback).__name__, "a callback is a lightning.pytorch.Callback", "Return one"
    yield from _network_faults(tried)


def _logger_faults(part: Any) -> Iterator[_Fault]:
    with TemporaryDirectory() as folder, chdir(folder), offline() as tried:
        logger = part(Path(folder) / "run")
        if not isinstance(logger, Logger):
            rule = "a logger is a lightning.pytorch.loggers.Logger"
            yield type(logger).__name__, rule, "Return one"
            return
        logger.log_metrics({"loss": 1.0}, step=0)
        logger.finalize("success")
        outside = sorted(path.name for path in Path(folder).iterdir() if path.name != "run")
    if outside:
        yield f"it writes {', '.join(outside)}", "a logger writes into the run folder", "Use folder"
    yield from _network_faults(tried)


def _network_faults(tried: list[str]) -> Iterator[_Fault]:
    for address in sorted(set(tried)):
        rule = "with its defaults it works without the network"
        yield f"it asks for {address}", rule, "Make the connection an option"


def _optimizer_faults(part: Any) -> Iterator[_Fault]:
    model = _adapted()
    trained = [p for p in model.parameters() if p.requires_grad]
    group = {"params": trained, "lr": 1e-3, "weight_decay": 0.0, "name": "adapter"}
    optimizer = part([group], model)
    if not isinstance(optimizer, Optimizer):
        yield type(optimizer).__name__, "an optimiser is a torch.optim.Optimizer", "Return one"
        return
    parameters = [p for param_group in optimizer.param_groups for p in param_group["params"]]
    if sorted(map(id, parameters)) != sorted(map(id, trained)):
        value = f"{len(parameters)} tensors of {len(trained)}"
        yield value, "it has each trained tensor once", "Pass every tensor of the groups on"


def _schedule_faults(part: Any) -> Iterator[_Fault]:
    for total in (1.0, 100.0, math.inf):
        first = float(part(0, total))
        if first != 1.0:
            rule = "the share of the rate at step 0 is 1, because the warm-up ends there"
            yield f"{first:g} of {total:g} steps", rule, "Divide by its value at 0"
        steps = (1, 50, 100) if total > 1 else (1,)
        wrong = [step for step in steps if not 0 <= float(part(step, total)) < math.inf]
        if wrong:
            value = f"step {wrong[0]} of {total:g}: {float(part(wrong[0], total)):g}"
            yield value, "a share is finite and not negative", "See scionwood.Plugin.schedules"


@final
class _Energy(Task):
    """The smallest task: the mean square of the output."""

    def losses(self, batch: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the mean square of the output of the small net."""
        return {"loss": self.backbone(batch[0]).square().mean()}


def _adapted() -> torch.nn.Module:
    # A frozen layer stands in front: a callback may act on it.
    layers = torch.nn.Sequential(torch.nn.Linear(16, 16), torch.nn.Linear(16, 16))
    tuned: torch.nn.Module = attach(
        torch.nn.Sequential(layers), LoraConfig(r=2), targets="0.1", head=()
    )
    return tuned


def _smoke_run(
    options: Optimiser, parts: list[tuple[str, str, Any]], folder: Path
) -> tuple[bool, float]:
    """Return whether a weight moved, and the loss afterwards."""
    with seeded():
        task = _Energy(_adapted(), **options)
        batch = torch.randn(4, 16)
    before = digest([p for p in task.parameters() if p.requires_grad])
    trainer = L.Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=STEPS,
        limit_val_batches=1,
        callbacks=[part() for kind, _, part in parts if kind == "callbacks"],
        logger=[part(folder) for kind, _, part in parts if kind == "loggers"],
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    loader = DataLoader(TensorDataset(batch), batch_size=2)
    trainer.fit(task, loader, loader)
    moved = before != digest([p for p in task.parameters() if p.requires_grad])
    return moved, float(task.losses([batch])["loss"].detach())
