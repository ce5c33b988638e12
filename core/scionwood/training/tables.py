"""What a recipe may name: callbacks, loggers, profilers, strategies, optimisers and schedules.

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
    "fsdp2": _named(f"{_OWN}.shard:ShardedStrategy", "process_group_backend"),
}
"""`fsdp2` is another name of `model_parallel`, which is Lightning's."""

_ADAM = ("betas", "eps")
_FAST = ("foreach", "fused")

OPTIMIZERS: Mapping[str, Named] = {
    "adamw": _named("torch.optim:AdamW", *_ADAM, "amsgrad", *_FAST),
    "adam": _named("torch.optim:Adam", *_ADAM, "amsgrad", *_FAST),
    "nadam": _named("torch.optim:NAdam", *_ADAM, "momentum_decay", "decoupled_weight_decay"),
    "radam": _named("torch.optim:RAdam", *_ADAM, "decoupled_weight_decay"),
    "adamax": _named("torch.optim:Adamax", *_ADAM),
    "adafactor": _named("torch.optim:Adafactor", "beta2_decay", "eps", "d"),
    "adagrad": _named(
        "torch.optim:Adagrad", "lr_decay", "initial_accumulator_value", "eps", *_FAST
    ),
    "adadelta": _named("torch.optim:Adadelta", "rho", "eps"),
    "rmsprop": _named("torch.optim:RMSprop", "alpha", "eps", "momentum", "centered"),
    "sgd": _named("torch.optim:SGD", "momentum", "dampening", "nesterov", *_FAST),
    "asgd": _named("torch.optim:ASGD", "lambd", "alpha", "t0"),
    "muon": _named(
        f"{_OWN}.muon:Muon",
        *("momentum", "nesterov", "ns_coefficients", "ns_steps", "adjust_lr_fn"),
        *("betas", "eps"),
    ),
}
"""Those of torch. The learning rate and the weight decay are options of the task."""

SCHEDULES: Mapping[str, Named] = {
    "constant": _named(f"{_OWN}.schedules:constant"),
    "cosine": _named(f"{_OWN}.schedules:cosine", "floor"),
    "cosine_restarts": _named(f"{_OWN}.schedules:cosine_restarts", "cycles", "floor"),
    "linear": _named(f"{_OWN}.schedules:linear", "floor"),
    "polynomial": _named(f"{_OWN}.schedules:polynomial", "power", "floor"),
    "exponential": _named(f"{_OWN}.schedules:exponential", "floor"),
    "inverse_sqrt": _named(f"{_OWN}.schedules:inverse_sqrt", "scale"),
    "step": _named(f"{_OWN}.schedules:step", "every", "factor"),
    "wsd": _named(f"{_OWN}.schedules:wsd", "decay", "floor"),
    "plateau": _named(
        f"{_OWN}.plateau:Plateau",
        *("factor", "patience", "threshold", "cooldown", "min_lr"),
    ),
}
"""Shares of the learning rate after the warm-up; `plateau` follows the validation instead."""

TABLES: Mapping[str, Mapping[str, Named | None]] = {
    "trainer.callbacks": {**CALLBACKS, **FINDERS},
    "trainer.logger": LOGGERS,
    "trainer.profiler": PROFILERS,
    "trainer.strategy": STRATEGIES,
    "task.optimizer": OPTIMIZERS,
    "task.schedule": SCHEDULES,
}
"""The keys of a recipe that choose by name, each with the names of the core."""

KINDS_OF: Mapping[str, str] = {
    "trainer.callbacks": "callbacks",
    "trainer.logger": "loggers",
    "task.optimizer": "optimizers",
    "task.schedule": "schedules",
}
"""The kind of component by which a plugin adds names to a key."""

_FSDP2 = "Use fsdp2"
_ADAMW = "Use adamw, or muon for matrices"

REFUSED_NAMES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "trainer.strategy": {
        "deepspeed": (
            "its checkpoints are folders of pickles, which a resume would have to unpickle",
            _FSDP2,
        ),
        "fsdp": ("the first version of FSDP wraps parameters that a checkpoint must name", _FSDP2),
    },
    "task.optimizer": {
        "lbfgs": ("it computes the loss of a batch several times in each step", _ADAMW),
        "sparse_adam": ("it takes sparse gradients only, and adapters have none", _ADAMW),
        "rprop": ("it needs the gradient of all data, and a step sees one batch", _ADAMW),
    },
}
"""Names that people ask for, each with the reason why a recipe may not give them, and a remedy."""
