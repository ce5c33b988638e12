"""The options of a recipe's `trainer:` section: plain values, and classes by short names only.

Checking imports nothing heavy. A test compares these tables with Lightning's signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from scionwood.discovery import did_you_mean
from scionwood.errors import RecipeError


@dataclass(frozen=True)
class Named:
    """A class that a recipe may name, and the options that the recipe may set."""

    reference: str
    options: frozenset[str]


PLAIN = frozenset(
    [
        "accelerator",
        "devices",
        "num_nodes",
        "precision",
        "max_epochs",
        "min_epochs",
        "max_steps",
        "min_steps",
        "max_time",
        "limit_train_batches",
        "limit_val_batches",
        "limit_test_batches",
        "overfit_batches",
        "val_check_interval",
        "check_val_every_n_epoch",
        "num_sanity_val_steps",
        "log_every_n_steps",
        "enable_progress_bar",
        "enable_model_summary",
        "accumulate_grad_batches",
        "gradient_clip_val",
        "gradient_clip_algorithm",
        "deterministic",
        "benchmark",
        "detect_anomaly",
        "sync_batchnorm",
        "reload_dataloaders_every_n_epochs",
    ]
)
"""Options of lightning.Trainer that pass through as they are."""

NAMED = frozenset({"callbacks", "logger", "strategy", "profiler"})
"""Options of lightning.Trainer whose classes are given by short names."""

REFUSED: Mapping[str, str] = {
    "default_root_dir": "the run folder decides where files go",
    "enable_checkpointing": "every run has checkpoints, which resume needs",
    "fast_dev_run": "use `scionwood fit --smoke`",
    "barebones": "a run needs its checkpoints and metrics",
    "plugins": "a recipe names no classes",
    "use_distributed_sampler": "scionwood.DataLoader shares the data out itself",
    "inference_mode": "validation never needs gradients",
    "limit_predict_batches": "there is no predict loop",
    "enable_autolog_hparams": "recipe.yaml records the options",
    "model_registry": "checkpoints are local files",
}
"""Options of lightning.Trainer that a recipe may not give, and why."""

CALLBACKS: Mapping[str, Named] = {
    "checkpoint": Named("scionwood.training.points:RunCheckpoint", frozenset({"every_n_steps"})),
    "early_stopping": Named(
        "lightning.pytorch.callbacks:EarlyStopping",
        frozenset(
            [
                "monitor",
                "min_delta",
                "patience",
                "verbose",
                "mode",
                "strict",
                "check_finite",
                "stopping_threshold",
                "divergence_threshold",
            ]
        ),
    ),
    "device_stats": Named(
        "lightning.pytorch.callbacks:DeviceStatsMonitor", frozenset({"cpu_stats"})
    ),
    "prefix_cache": Named(
        "scionwood.training.prefix.callback:PrefixCache",
        frozenset({"folder", "budget_gb", "dtype", "blocks"}),
    ),
}
STRATEGIES: Mapping[str, Named | None] = {
    "auto": None,
    "ddp": Named(
        "lightning.pytorch.strategies:DDPStrategy",
        frozenset({"process_group_backend", "find_unused_parameters", "static_graph"}),
    ),
    "model_parallel": Named(
        "scionwood.training.shard:ShardedStrategy", frozenset({"process_group_backend"})
    ),
}
LOGGERS = ("csv", "tensorboard")
"""`csv` is metrics.csv, which is always written."""
PROFILERS = ("simple", "advanced")


def check_trainer(options: Mapping[str, Any]) -> None:
    """Check the `trainer:` section of a recipe.

    Raises:
        RecipeError: an unknown option or class, or a value that is not plain data.
    """
    for key, value in options.items():
        _check_key(key)
        _check_plain(f"trainer.{key}", value)
    for name, own in (_pair("callbacks", entry) for entry in _list(options, "callbacks")):
        _check_named("callbacks", name, own, CALLBACKS)
    if options.get("strategy") is not None:
        _check_named("strategy", *_pair("strategy", options["strategy"]), STRATEGIES)
    for logger in _list(options, "logger"):
        _check_name("logger", logger, LOGGERS)
    if options.get("profiler") is not None:
        _check_name("profiler", options["profiler"], PROFILERS)


def build_trainer_options(
    options: Mapping[str, Any], *, monitor: str = "val_loss", mode: str = "min"
) -> dict[str, Any]:
    """Return keyword arguments for lightning.Trainer; `logger` stays a list of short names.

    Args:
        options: a checked `trainer:` section.
        monitor: the value that early stopping watches unless the section names another.
        mode: whether that value should be small or large.
    """
    built = {key: value for key, value in options.items() if key in PLAIN | {"profiler"}}
    built["logger"] = _list(options, "logger") if "logger" in options else list(LOGGERS)
    built["callbacks"] = []
    entries = dict(_pair("callbacks", entry) for entry in _list(options, "callbacks"))
    for name, own in {"checkpoint": {}, **entries}.items():
        extra = {"monitor": monitor, "mode": mode} if name == "early_stopping" else {}
        built["callbacks"].append(_load(CALLBACKS[name])(**{**extra, **own}))
    name, own = _pair("strategy", options.get("strategy") or "auto")
    known = STRATEGIES[name]
    built["strategy"] = name if known is None else _load(known)(**own)
    return built


def _check_key(key: str) -> None:
    if key in REFUSED:
        raise RecipeError(f"trainer.{key}", REFUSED[key], "Leave it out")
    if key not in PLAIN | NAMED:
        remedy = did_you_mean(key, sorted(PLAIN | NAMED)) or "See lightning.Trainer"
        raise RecipeError(
            f"trainer: unknown option {key!r}", "not one of lightning.Trainer", remedy
        )


def _check_plain(where: str, value: Any) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_plain(f"{where}.{key}", item)
    elif isinstance(value, list):
        for item in value:
            _check_plain(where, item)
    elif not isinstance(value, str | int | float | bool | None):
        rule = f"plain data, not {type(value).__name__}"
        raise RecipeError(where, rule, "Write it as YAML")


def _check_named(
    kind: str, name: str, own: Mapping[str, Any], known: Mapping[str, Named | None]
) -> None:
    _check_name(kind, name, tuple(known))
    named = known[name]
    allowed = named.options if named else frozenset[str]()
    for key in own:
        if key not in allowed:
            remedy = did_you_mean(key, sorted(allowed)) or f"Known: {', '.join(sorted(allowed))}"
            raise RecipeError(f"trainer.{kind}: {name}", f"it has no option {key!r}", remedy)


def _check_name(kind: str, name: Any, known: tuple[str, ...]) -> None:
    if name not in known:
        remedy = did_you_mean(str(name), known) or f"Known: {', '.join(known)}"
        raise RecipeError(f"trainer.{kind}: {name!r}", "a name of the list below", remedy)


def _list(options: Mapping[str, Any], key: str) -> list[Any]:
    value = options.get(key)
    if value is None or value is False:
        return []
    if value is True:
        return list(LOGGERS)
    return list(value) if isinstance(value, list) else [value]


def _pair(kind: str, entry: Any) -> tuple[str, dict[str, Any]]:
    own = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(own, Mapping) or not isinstance(own.get("name"), str):
        rule = "a name, or {name: ..., option: value}"
        raise RecipeError(f"trainer.{kind}: {entry!r}", rule, "For example early_stopping")
    return own["name"], {key: value for key, value in own.items() if key != "name"}


def _load(named: Named) -> Any:
    module, _, attribute = named.reference.partition(":")
    return getattr(import_module(module), attribute)
