"""The options of a recipe's `trainer:` section: plain values, and classes by short names only.

Checking imports nothing heavy. The classes are listed in `builtin_components`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from re import match
from typing import Any

from scionwood.errors import RecipeError
from scionwood.plugins.discovery import did_you_mean, requirements
from scionwood.training.builtin_components import CALLBACKS, DEFAULT_LOGGERS, FINDERS, LOGGERS
from scionwood.training.named_components import NamedComponent

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

GUARD = "nan_guard"
"""Our own option: the steps between two checks for values that are not finite; see `NanGuard`."""


CHOSEN_BY_NAME = frozenset({"callbacks", "logger", "strategy", "profiler"})
"""Options of lightning.Trainer whose classes are given by short names."""

REFUSED: Mapping[str, str] = {
    "default_root_dir": "the run folder decides where files go",
    "enable_checkpointing": "every run has checkpoints, which resume needs",
    "fast_dev_run": "use `scionwood fit --smoke`",
    "barebones": "a run needs its checkpoints and metrics",
    "plugins": "a recipe names no classes",
    "use_distributed_sampler": "scionwood.DataLoader shares the data out itself",
    "inference_mode": "the task says whether validation needs gradients",
    "limit_predict_batches": "there is no predict loop",
    "enable_autolog_hparams": "recipe.yaml records the options",
    "model_registry": "checkpoints are local files",
}
"""Options of lightning.Trainer that a recipe may not give, and why."""


def check_trainer(options: Mapping[str, Any]) -> None:
    """Check the `trainer:` section of a recipe."""
    for key, value in options.items():
        _check_key(key)
        _check_plain(f"trainer.{key}", value)
    for key in sorted(CHOSEN_BY_NAME):
        for component in _components(options, key):
            component.check()
    if len(_components(options, "profiler")) > 1:
        raise RecipeError("trainer.profiler", "one profiler in a run", "Name one")


def check_installed(options: Mapping[str, Any]) -> None:
    """Check that the packages are installed which a run needs by what its recipe names.

    Loading a run needs none of them, so that `check_trainer` does not look.
    """
    for name in (logger.name for logger in _components(options, "logger")):
        package = LOGGERS[name].package if name in LOGGERS else ""
        if package and find_spec(package.replace("-", "_")) is None:
            rule = f"it needs the package {package}, which is not installed"
            remedy = f"Run: pip install {_requirement(package)}"
            raise RecipeError(f"trainer.logger: {name}", rule, remedy)


def _requirement(package: str) -> str:
    """Return a package with the versions that scionwood has tried, as pip takes it."""
    lines = (line for line in requirements() if match(rf"{package}\b", line))
    return next((f"'{line.partition(';')[0].strip()}'" for line in lines), package)


def loggers(options: Mapping[str, Any]) -> list[NamedComponent]:
    """Return the loggers beside metrics.csv; TensorBoard if none is named."""
    components = _components({"logger": True, **options}, "logger")
    missing = () if find_spec("tensorboard") else ("tensorboard",)
    return [logger for logger in components if logger.name not in ("csv", *missing)]


def strategy_class(options: Mapping[str, Any]) -> Any:
    """Return the class of the strategy that a section names; None for one that Lightning chooses.

    One of a plugin may have `empty_backbone(recipe, prepare)`, which builds a backbone without
    values, and `shard(task)`, which `Task.configure_model` calls; both are for sharded bases.
    """
    strategies = _components(options, "strategy")
    return strategies[0].load() if strategies and strategies[0].is_of_plugin else None


def callback_names(options: Mapping[str, Any]) -> list[str]:
    """Return the names of the callbacks of a checked section."""
    return [callback.name for callback in _components(options, "callbacks")]


def finders(options: Mapping[str, Any]) -> list[NamedComponent]:
    """Return the finders among the callbacks; they act before training."""
    return [callback for callback in _components(options, "callbacks") if callback.name in FINDERS]


def without_finders(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section without its finders."""
    if not finders(options):
        return dict(options)
    entries = options["callbacks"] if isinstance(options["callbacks"], list) else []
    pairs = zip(entries, callback_names(options), strict=False)
    return {**options, "callbacks": [entry for entry, name in pairs if name not in FINDERS]}


def build_trainer_options(
    options: Mapping[str, Any],
    *,
    monitor: str = "val_loss",
    mode: str = "min",
    folder: Path | None = None,
) -> dict[str, Any]:
    """Return keyword arguments for lightning.Trainer, without those of its loggers.

    Args:
        options: a checked `trainer:` section.
        monitor: the value that early stopping watches unless the section names another.
        mode: whether that value should be small or large.
        folder: the run folder, in which a profiler writes; `None` means the working directory.

    Raises:
        RecipeError: a class refuses its options, or a callback needs a logger.
    """
    built = {key: value for key, value in options.items() if key in PLAIN | {GUARD}}
    built["callbacks"] = []
    # A later entry of one name replaces an earlier one.
    callbacks = {c.name: c for c in _components(options, "callbacks") if c.name not in FINDERS}
    writes = bool(loggers(options))
    checkpoint = NamedComponent("trainer.callbacks", "checkpoint", {})
    for name, callback in {"checkpoint": checkpoint, **callbacks}.items():
        if name in CALLBACKS and CALLBACKS[name].logs and not writes:
            rule = "it writes to a logger, and metrics.csv is none"
            raise RecipeError(f"trainer.callbacks: {name}", rule, "Set trainer.logger: tensorboard")
        watched = {"monitor": monitor, "mode": mode} if name == "early_stopping" else {}
        built["callbacks"].append(callback.build(**watched))
    for profiler in _components(options, "profiler"):
        place = {"dirpath": folder or Path(), "filename": f"profile-{profiler.name}"}
        built["profiler"] = profiler.build(**place)
    for strategy in _components({"strategy": "auto", **options}, "strategy"):
        built["strategy"] = strategy.build()
    return built


def _check_key(key: str) -> None:
    if key in REFUSED:
        raise RecipeError(f"trainer.{key}", REFUSED[key], "Leave it out")
    allowed = PLAIN | CHOSEN_BY_NAME | {GUARD}
    if key not in allowed:
        remedy = did_you_mean(key, sorted(allowed)) or "See lightning.Trainer"
        rule = "not one of lightning.Trainer"
        raise RecipeError(f"trainer: unknown option {key!r}", rule, remedy)


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


def _components(options: Mapping[str, Any], key: str) -> list[NamedComponent]:
    """Return what a key names; `true` means the default loggers, `null` and `false` nothing."""
    value = options.get(key)
    if value is None or value is False:
        return []
    entries = DEFAULT_LOGGERS if value is True else value if isinstance(value, list) else [value]
    return [NamedComponent.parse(f"trainer.{key}", entry) for entry in entries]
