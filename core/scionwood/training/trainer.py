"""A lightning.Trainer for a run folder, with the callbacks of every run."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from scionwood.training.checkpoint import SafeCheckpointIO
from scionwood.training.data_files import SkippedFiles
from scionwood.training.guard import NanGuard
from scionwood.training.loggers import make_loggers
from scionwood.training.metrics import MetricsFile
from scionwood.training.optimizers import make_plateau
from scionwood.training.options import GUARD, build_trainer_options
from scionwood.training.progress import progress
from scionwood.training.resume import RunState
from scionwood.training.task import Task

_LOUD = ("lightning.pytorch", "lightning.fabric")
_EXPECTED = (
    r"Found \d+ module\(s\) in eval mode",  # frozen norms keep their statistics
    r"The PyTorch Profiler default schedule will be overridden",  # a short run has few steps
    r"The '.*dataloader' does not have many workers",  # in-memory data needs none
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # lightning 2.6 with torch 2.13
    # While torch compiles; it looks at its own functions and at gradients.
    r"<class 'torch.autograd.function.Function'> should not be instantiated",
    r"The .grad attribute of a Tensor that is not a leaf Tensor is being accessed",
)


def make_trainer(
    options: Mapping[str, Any],
    folder: Path,
    task: Task,
    step: int = 0,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
) -> L.Trainer:
    """Return a trainer that writes into a run folder.

    Args:
        options: a recipe's `trainer:` section.
        folder: the run folder.
        task: gives the monitor and the mode; its `max_steps` is set.
        step: optimiser steps taken before a resume; later TensorBoard events are dropped.
        callbacks: callbacks in addition to those that the options name.
        loggers: loggers in addition to those that the options name.
    """
    built = build_trainer_options(options, monitor=task.monitor, mode=task.mode, folder=folder)
    bar = built.pop("enable_progress_bar", True)
    task.max_steps = built.pop("max_steps", -1)
    if task.max_steps >= 0 and built.get("max_epochs") is None:
        built["max_epochs"] = -1
    rows = built.setdefault("log_every_n_steps", 1)
    core: list[Callback] = [MetricsFile(rows), NanGuard(built.pop(GUARD, 1)), RunState()]
    core += [SkippedFiles(folder)]
    core += make_plateau(task.schedule)
    core += [progress()] if bar else []
    chosen = built.pop("callbacks")
    built.setdefault("enable_model_summary", False)
    return L.Trainer(
        **built,
        callbacks=[*core, *callbacks, *chosen],
        logger=[*make_loggers(options, folder, step), *loggers],
        enable_progress_bar=bar,
        inference_mode=not task.needs_gradient,
        default_root_dir=folder,
        plugins=[SafeCheckpointIO(), *_slurm()],
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Hide advice of Lightning that does not apply to a run."""
    loggers = [logging.getLogger(name) for name in _LOUD]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for pattern in _EXPECTED:
                warnings.filterwarnings("ignore", message=pattern)
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _slurm() -> list[SLURMEnvironment]:
    # Lightning would save and requeue inside the handler of a signal, in the middle of a step.
    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return []
    return [SLURMEnvironment(auto_requeue=False)]
