"""What a recipe may name: callbacks, loggers, profilers, strategies, optimisers and schedules.

Importing this imports nothing heavy. A test compares the tables with the signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Builtin:
    """A class or function that a recipe may name.

    Attributes:
        reference: its module and its name.
        options: the options that the recipe may set; `None` means those of its source.
        package: the distribution that it needs beside those of scionwood; empty means none.
        logs: whether it writes to a logger other than metrics.csv, and so needs one.
    """

    reference: str
    options: tuple[str, ...] | None = None
    package: str = ""
    logs: bool = False


def _builtin(reference: str, *options: str, package: str = "", logs: bool = False) -> Builtin:
    return Builtin(reference, options or None, package, logs)


_LIGHTNING = "lightning.pytorch.callbacks"
_TRAINING = "scionwood.training"

CALLBACKS: Mapping[str, Builtin] = {
    "checkpoint": _builtin(f"{_TRAINING}.checkpoint:RunCheckpoint"),
    "early_stopping": _builtin(
        f"{_LIGHTNING}:EarlyStopping",
        *("monitor", "min_delta", "patience", "verbose", "mode", "strict", "check_finite"),
        *("stopping_threshold", "divergence_threshold"),
    ),
    "device_stats": _builtin(f"{_LIGHTNING}:DeviceStatsMonitor", "cpu_stats", logs=True),
    "ema": _builtin(f"{_TRAINING}.averages:Ema"),
    "swa": _builtin(f"{_TRAINING}.averages:Swa"),
    "lr_monitor": _builtin(
        f"{_LIGHTNING}:LearningRateMonitor",
        *("logging_interval", "log_momentum", "log_weight_decay"),
        logs=True,
    ),
    "timer": _builtin(f"{_LIGHTNING}:Timer", "duration", "interval", "verbose"),
    "throughput": _builtin(f"{_TRAINING}.throughput:Throughput", logs=True),
    "rich_summary": _builtin(f"{_TRAINING}.throughput:Summary"),
}

FINDERS: Mapping[str, Builtin] = {
    "lr_finder": _builtin(
        f"{_TRAINING}.finders:find_lr",
        *("min_lr", "max_lr", "num_training_steps", "mode", "early_stop_threshold"),
    ),
    "batch_size_finder": _builtin(
        f"{_TRAINING}.finders:find_batch_size",
        *("mode", "steps_per_trial", "init_val", "max_trials", "margin", "max_val"),
    ),
}
"""Named among the callbacks, but they act before training and change the recipe."""

LOGGERS: Mapping[str, Builtin] = {
    "csv": Builtin("", ()),
    "tensorboard": _builtin(f"{_TRAINING}.loggers:tensorboard", package="tensorboard"),
    "wandb": _builtin(f"{_TRAINING}.loggers:wandb", package="wandb"),
    "mlflow": _builtin(f"{_TRAINING}.loggers:mlflow", package="mlflow"),
    "comet": _builtin(f"{_TRAINING}.loggers:comet", package="comet-ml"),
}
"""`csv` is metrics.csv, which a callback writes in every run."""

DEFAULT_LOGGERS = ("csv", "tensorboard")

PROFILERS: Mapping[str, Builtin] = {
    "simple": _builtin("lightning.pytorch.profilers:SimpleProfiler", "extended"),
    "advanced": _builtin("lightning.pytorch.profilers:AdvancedProfiler", "line_count_restriction"),
    "pytorch": _builtin("lightning.pytorch.profilers:PyTorchProfiler", "row_limit", "sort_by_key"),
}

STRATEGIES: Mapping[str, Builtin | None] = {
    "auto": None,
    "ddp": _builtin(
        "lightning.pytorch.strategies:DDPStrategy",
        *("process_group_backend", "find_unused_parameters", "static_graph"),
    ),
}

_ADAM = ("betas", "eps")
_FAST = ("foreach", "fused")

OPTIMIZERS: Mapping[str, Builtin] = {
    "adamw": _builtin("torch.optim:AdamW", *_ADAM, "amsgrad", *_FAST),
    "adam": _builtin("torch.optim:Adam", *_ADAM, "amsgrad", *_FAST),
    "nadam": _builtin("torch.optim:NAdam", *_ADAM, "momentum_decay", "decoupled_weight_decay"),
    "radam": _builtin("torch.optim:RAdam", *_ADAM, "decoupled_weight_decay"),
    "adamax": _builtin("torch.optim:Adamax", *_ADAM),
    "adafactor": _builtin("torch.optim:Adafactor", "beta2_decay", "eps", "d"),
    "adagrad": _builtin(
        "torch.optim:Adagrad", "lr_decay", "initial_accumulator_value", "eps", *_FAST
    ),
    "adadelta": _builtin("torch.optim:Adadelta", "rho", "eps"),
    "rmsprop": _builtin("torch.optim:RMSprop", "alpha", "eps", "momentum", "centered"),
    "sgd": _builtin("torch.optim:SGD", "momentum", "dampening", "nesterov", *_FAST),
    "asgd": _builtin("torch.optim:ASGD", "lambd", "alpha", "t0"),
    "muon": _builtin(
        f"{_TRAINING}.optimizers:Muon",
        *("momentum", "nesterov", "ns_coefficients", "ns_steps", "adjust_lr_fn", *_ADAM),
    ),
}
"""Those of torch. The learning rate and the weight decay are options of the task."""

_SHARES = "constant cosine cosine_restarts linear polynomial exponential inverse_sqrt step wsd"

SCHEDULES: Mapping[str, Builtin] = {
    **{name: _builtin(f"{_TRAINING}.schedules:{name}") for name in _SHARES.split()},
    "plateau": _builtin(f"{_TRAINING}.optimizers:Plateau"),
}
"""Shares of the learning rate after the warm-up; `plateau` follows the validation instead."""

TABLES: Mapping[str, Mapping[str, Builtin | None]] = {
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
    "trainer.strategy": "strategies",
    "task.optimizer": "optimizers",
    "task.schedule": "schedules",
}
"""The kind of component by which a plugin adds names to a key."""

_SHARDED = "Use the sharded strategy of a plugin: scionwood plugins"
_ADAMW = "Use adamw, or muon for matrices"

REFUSED_NAMES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "trainer.strategy": {
        "deepspeed": (
            "its checkpoints are folders of pickles, which a resume would have to unpickle",
            _SHARDED,
        ),
        "fsdp": (
            "the first version of FSDP wraps parameters that a checkpoint must name",
            _SHARDED,
        ),
    },
    "task.optimizer": {
        "lbfgs": ("it computes the loss of a batch several times in each step", _ADAMW),
        "sparse_adam": ("it takes sparse gradients only, and adapters have none", _ADAMW),
        "rprop": ("it needs the gradient of all data, and a step sees one batch", _ADAMW),
    },
}
"""Names that people ask for, each with the reason why a recipe may not give them, and a remedy."""
