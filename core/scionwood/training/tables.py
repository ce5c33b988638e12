"""What a recipe's `trainer:` section may name: callbacks, loggers, profilers and strategies.

Importing this imports nothing heavy. A test compares the tables with the signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Named:
    """A class or function that a recipe may name.

    Attributes:
        reference: its module and its name.
        options: the options that the recipe may set.
        package: the distribution that it needs beside those of scionwood; empty means none.
        logs: whether it writes to a logger other than metrics.csv, and so needs one.
    """

    reference: str
    options: frozenset[str] = frozenset()
    package: str = ""
    logs: bool = False


def _named(reference: str, *options: str, package: str = "", logs: bool = False) -> Named:
    return Named(reference, frozenset(options), package, logs)


_LIGHTNING = "lightning.pytorch.callbacks"
_OWN = "scionwood.training"

CALLBACKS: Mapping[str, Named] = {
    "checkpoint": _named(f"{_OWN}.points:RunCheckpoint", "every_n_steps"),
    "early_stopping": _named(
        f"{_LIGHTNING}:EarlyStopping",
        *("monitor", "min_delta", "patience", "verbose", "mode", "strict", "check_finite"),
        *("stopping_threshold", "divergence_threshold"),
    ),
    "device_stats": _named(f"{_LIGHTNING}:DeviceStatsMonitor", "cpu_stats", logs=True),
    "prefix_cache": _named(
        f"{_OWN}.prefix.callback:PrefixCache", "folder", "budget_gb", "dtype", "blocks"
    ),
    "ema": _named(
        f"{_OWN}.averages:Ema", "decay", "update_every_n_steps", "update_starting_at_step"
    ),
    "swa": _named(
        f"{_OWN}.averages:Swa",
        *("swa_lrs", "swa_epoch_start", "annealing_epochs", "annealing_strategy"),
    ),
    "lr_monitor": _named(
        f"{_LIGHTNING}:LearningRateMonitor",
        *("logging_interval", "log_momentum", "log_weight_decay"),
        logs=True,
    ),
    "timer": _named(f"{_LIGHTNING}:Timer", "duration", "interval", "verbose"),
    "throughput": _named(f"{_OWN}.measures:Throughput", "window_size", logs=True),
    "rich_summary": _named(f"{_OWN}.measures:Summary", "max_depth"),
}

FINDERS: Mapping[str, Named] = {
    "lr_finder": _named(
        f"{_OWN}.finders:find_lr",
        *("min_lr", "max_lr", "num_training_steps", "mode", "early_stop_threshold"),
    ),
    "batch_size_finder": _named(
        f"{_OWN}.finders:find_batch_size",
        *("mode", "steps_per_trial", "init_val", "max_trials", "margin", "max_val"),
    ),
}
"""Named among the callbacks, but they act before training and change the recipe."""

LOGGERS: Mapping[str, Named] = {
    "csv": _named(""),
    "tensorboard": _named(f"{_OWN}.loggers:tensorboard", package="tensorboard"),
    "wandb": _named(
        f"{_OWN}.loggers:wandb",
        *("project", "run_name", "group", "tags", "offline"),
        package="wandb",
    ),
    "mlflow": _named(
        f"{_OWN}.loggers:mlflow",
        *("experiment_name", "run_name", "tags", "offline"),
        package="mlflow",
    ),
    "comet": _named(
        f"{_OWN}.loggers:comet", *("project", "run_name", "tags", "offline"), package="comet-ml"
    ),
}
"""`csv` is metrics.csv, which a callback writes in every run."""

DEFAULT_LOGGERS = ("csv", "tensorboard")

PROFILERS: Mapping[str, Named] = {
    "simple": _named("lightning.pytorch.profilers:SimpleProfiler", "extended"),
    "advanced": _named("lightning.pytorch.profilers:AdvancedProfiler", "line_count_restriction"),
    "pytorch": _named("lightning.pytorch.profilers:PyTorchProfiler", "row_limit", "sort_by_key"),
}

STRATEGIES: Mapping[str, Named | None] = {
    "auto": None,
    "ddp": _named(
        "lightning.pytorch.strategies:DDPStrategy",
        *("process_group_backend", "find_unused_parameters", "static_graph"),
    ),
    "model_parallel": _named(f"{_OWN}.shard:ShardedStrategy", "process_group_backend"),
}

REFUSED_STRATEGIES: Mapping[str, str] = {
    "deepspeed": "its checkpoints are folders of pickles, which a resume would have to unpickle",
    "fsdp": "the first version of FSDP wraps parameters that a checkpoint must name",
}
"""Strategies of Lightning that people ask for, and why a recipe may not name them."""
