"""The loggers that a recipe may name, and what every logger gets.

They write into the run folder, and nothing leaves the machine, unless a recipe says
`offline: false`. Keys come from the environment alone. No logger gets a checkpoint.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import lightning as L
import yaml
from lightning.pytorch.loggers import (
    CometLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)

from scionwood.errors import RecipeError
from scionwood.recipes.recipe import Recipe
from scionwood.training.checkpoint import run_checkpoint
from scionwood.training.named_components import Choice
from scionwood.training.options import loggers as named_loggers

LoggerChoice: TypeAlias = Logger | Choice
"""A logger of Lightning, or a name of `trainer.logger` with or without options."""

PROJECT = "scionwood"
_COMET_ONLINE = "COMET_START_ONLINE"


def make_loggers(options: Mapping[str, Any], folder: Path, step: int) -> list[Logger]:
    """Return the loggers that a recipe names.

    Args:
        options: a recipe's `trainer:` section.
        folder: the run folder.
        step: optimiser steps taken before a resume; later TensorBoard events are dropped.
    """
    return [
        logger.build(*((folder, step) if logger.name == "tensorboard" else (folder,)))
        for logger in named_loggers(options)
    ]


def split_loggers(
    loggers: LoggerChoice | Sequence[LoggerChoice] | bool | None,
) -> tuple[dict[str, Any], list[Logger]]:
    """Return what the argument `logger` of `fit` says: an override of the recipe, and loggers."""
    if loggers is None or isinstance(loggers, bool):
        return ({} if loggers is None else {"trainer.logger": loggers}), []
    entries = [loggers] if isinstance(loggers, Logger | str | dict) else list(loggers)
    names = [entry for entry in entries if not isinstance(entry, Logger)]
    objects = [entry for entry in entries if isinstance(entry, Logger)]
    return ({"trainer.logger": names} if names else {}), objects


def tensorboard(folder: Path, step: int = 0) -> Logger:
    """Return a logger that writes the folder `tensorboard/`."""
    return TensorBoardLogger(
        folder, name="tensorboard", version="", default_hp_metric=False, purge_step=step
    )


def wandb(
    folder: Path,
    *,
    project: str = PROJECT,
    run_name: str | None = None,
    group: str | None = None,
    tags: Sequence[str] = (),
    offline: bool = True,
) -> Logger:
    """Return a logger of Weights & Biases, which writes the folder `wandb/`.

    Args:
        folder: the run folder.
        project: the project.
        run_name: the run's name; `None` means that of the run folder.
        group: the group of runs; `None` means the run folder, so that a resumed run stays together.
        tags: tags of the run.
        offline: whether `wandb sync` sends the run later. If not, WANDB_API_KEY is read.
    """
    from wandb import Settings

    return WandbLogger(
        name=run_name or folder.name,
        save_dir=folder,
        project=project,
        log_model=False,
        group=group or folder.name,
        tags=list(tags),
        mode="offline" if offline else None,
        settings=Settings(silent=True, console="off", disable_code=True),
    )


def mlflow(
    folder: Path,
    *,
    experiment_name: str = PROJECT,
    run_name: str | None = None,
    tags: Mapping[str, str] | None = None,
    offline: bool = True,
) -> Logger:
    """Return a logger of MLflow, which writes `mlflow.db` and the folder `mlflow/`.

    Args:
        folder: the run folder.
        experiment_name: the experiment.
        run_name: the run's name; `None` means that of the run folder.
        tags: tags of the run and their values.
        offline: if not, the server is that of MLFLOW_TRACKING_URI.

    Raises:
        RecipeError: not offline, and the variable is not set.
    """
    server = f"sqlite:///{folder / 'mlflow.db'}" if offline else _environment("MLFLOW_TRACKING_URI")
    return MLFlowLogger(
        experiment_name,
        run_name or folder.name,
        tracking_uri=server,
        tags=dict(tags or {}),
        log_model=False,
        artifact_location=(folder / "mlflow").as_uri() if offline else None,
    )


def comet(
    folder: Path,
    *,
    project: str = PROJECT,
    run_name: str | None = None,
    tags: Sequence[str] = (),
    offline: bool = True,
) -> Logger:
    """Return a logger of Comet, which writes the folder `comet/`.

    Args:
        folder: the run folder.
        project: the project.
        run_name: the run's name; `None` means that of the run folder.
        tags: tags of the run.
        offline: whether `comet upload` sends the run later. If not, COMET_API_KEY is read.

    Raises:
        RecipeError: not offline, and the variable is not set.
    """
    if not offline:
        _environment("COMET_API_KEY")
    # With `online=False` Lightning would switch the experiment off instead.
    before = os.environ.get(_COMET_ONLINE)
    os.environ[_COMET_ONLINE] = str(int(not offline))
    try:
        return CometLogger(
            project=project,
            name=run_name or folder.name,
            tags=list(tags),
            offline_directory=str(folder / "comet"),
            log_code=False,
        )
    finally:
        os.environ.pop(_COMET_ONLINE)
        if before is not None:
            os.environ[_COMET_ONLINE] = before


@contextmanager
def recorded(trainer: L.Trainer, recipe: Recipe, base_sha256: str, folder: Path) -> Iterator[None]:
    """Give every logger the recipe at the start, and the score and the figures at the end.

    `hp_metric` is the best value of the task's monitor. The runs of Weights & Biases and Comet end
    with the block; otherwise the next run of this process would go on in them.
    """
    facts = {"recipe": recipe.name, "base_sha256": base_sha256, **yaml.safe_load(recipe.dump())}
    if trainer.is_global_zero:
        for logger in trainer.loggers:
            logger.log_hyperparams(facts)
    try:
        yield
        if trainer.is_global_zero:
            _give_results(trainer, facts, folder)
    finally:
        _close(trainer.loggers)


def _close(loggers: Sequence[Logger]) -> None:
    for logger in loggers:
        if isinstance(logger, WandbLogger) and logger._experiment is not None:
            logger.experiment.finish()
        elif isinstance(logger, CometLogger) and logger._experiment is not None:
            logger.experiment.end()


def _give_results(trainer: L.Trainer, facts: dict[str, Any], folder: Path) -> None:
    score = run_checkpoint(trainer).best
    for logger in trainer.loggers:
        if score is not None and isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(facts, {"hp_metric": score}, trainer.global_step)
        elif score is not None:
            logger.log_metrics({"hp_metric": score}, trainer.global_step)
        for path in sorted((folder / "figures").glob("*.png")):
            _give_figure(logger, path, trainer.global_step)
        logger.save()


def _give_figure(logger: Logger, path: Path, step: int) -> None:
    if isinstance(logger, TensorBoardLogger):
        from matplotlib.image import imread

        logger.experiment.add_image(path.stem, imread(path), step, dataformats="HWC")
    elif isinstance(logger, WandbLogger):
        logger.log_image(path.stem, [str(path)], step)
    elif isinstance(logger, MLFlowLogger):
        logger.experiment.log_artifact(logger.run_id, str(path), "figures")
    elif isinstance(logger, CometLogger):
        logger.experiment.log_image(str(path), name=path.stem, step=step)


def _environment(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise RecipeError(
        f"environment variable {name}", "a logger that is not offline needs it", "Set it"
    )
