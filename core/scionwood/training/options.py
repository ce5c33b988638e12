"""The options of a recipe's `trainer:` section: plain values, and classes by short names only.

Checking imports nothing heavy. The classes are listed in `scionwood.training.tables`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path
from re import match
from typing import Any

from scionwood.errors import RecipeError
from scionwood.plugins.discovery import did_you_mean
from scionwood.training.choices import check, find, make, split
from scionwood.training.tables import CALLBACKS, DEFAULT_LOGGERS, FINDERS, LOGGERS

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

GRAPH = "cuda_graph"
"""Our own option: `auto`, `on` or `off`; see `CudaGraph`."""

OURS = frozenset({GUARD, GRAPH})

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


def check_trainer(options: Mapping[str, Any]) -> None:
    """Check the `trainer:` section of a recipe.

    Raises:
        RecipeError: an unknown option or class, or a value that is not plain data.
        PluginError: the plugin of a callback or a logger is missing, or does not have it.
    """
    for key, value in options.items():
        _check_key(key)
        _check_plain(f"trainer.{key}", value)
    for key in sorted(NAMED):
        for name, own in _pairs(options, key):
            check(f"trainer.{key}", name, own)
    if len(_pairs(options, "profiler")) > 1:
        raise RecipeError("trainer.profiler", "one profiler in a run", "Name one")


def check_installed(options: Mapping[str, Any]) -> None:
    """Check that the packages are installed which a run needs by what its recipe names.

    Loading a run needs none of them, so that `check_trainer` does not look.

    Args:
        options: a checked `trainer:` section.

    Raises:
        RecipeError: naming the package, and the line that installs it.
    """
    for name, _ in _pairs(options, "logger"):
        package = LOGGERS[name].package if name in LOGGERS else ""
        if package and find_spec(package.replace("-", "_")) is None:
            rule = f"it needs the package {package}, which is not installed"
            remedy = f"Run: pip install {_wanted(package)}"
            raise RecipeError(f"trainer.logger: {name}", rule, remedy)


def _wanted(package: str) -> str:
    """Return a package with the versions that scionwood has tried, as pip takes it."""
    try:
        lines = requires("scionwood") or []
    except PackageNotFoundError:
        lines = []
    stated = (line.partition(";")[0].strip() for line in lines if match(rf"{package}\b", line))
    return next((f"'{text}'" for text in stated), package)


def loggers(options: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the loggers beside metrics.csv and their options; TensorBoard if none is named."""
    named = _pairs(options, "logger") if "logger" in options else [(n, {}) for n in DEFAULT_LOGGERS]
    present = find_spec("tensorboard") is not None
    return [(n, own) for n, own in named if n != "csv" and (n != "tensorboard" or present)]


def callback_names(options: Mapping[str, Any]) -> list[str]:
    """Return the names of the callbacks of a checked section."""
    return [name for name, _ in _pairs(options, "callbacks")]


def finders(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the finders among the callbacks and their options; they act before training."""
    return {name: own for name, own in _pairs(options, "callbacks") if name in FINDERS}


def without_finders(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section without its finders."""
    listed = zip(_list(options, "callbacks"), _pairs(options, "callbacks"), strict=True)
    kept = [entry for entry, (name, _) in listed if name not in FINDERS]
    return {**options, "callbacks": kept} if "callbacks" in options else dict(options)


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
        folder: the run folder, in which a profiler and `prefix_cache` write; `None` means the
            working directory.

    Raises:
        RecipeError: a class refuses its options, a callback needs a logger, or `prefix_cache` names
            a folder outside of the run folder.
    """
    built = {key: value for key, value in options.items() if key in PLAIN | OURS}
    built["callbacks"] = []
    entries = {n: own for n, own in _pairs(options, "callbacks") if n not in FINDERS}
    writes = bool(loggers(options))
    for name, own in {"checkpoint": {}, **entries}.items():
        if name in CALLBACKS and CALLBACKS[name].logs and not writes:
            rule = "it writes to a logger, and metrics.csv is none"
            raise RecipeError(f"trainer.callbacks: {name}", rule, "Set trainer.logger: tensorboard")
        extra = {"monitor": monitor, "mode": mode} if name == "early_stopping" else {}
        built["callbacks"].append(_made("callbacks", name, {**extra, **_placed(name, own, folder)}))
    for name, own in _pairs(options, "profiler"):
        place = {"dirpath": folder or Path(), "filename": f"profile-{name}"}
        built["profiler"] = _made("profiler", name, {**place, **own})
    for name, own in _pairs(options, "strategy") or [("auto", {})]:
        built["strategy"] = _made("strategy", name, own)
    return built


def _placed(name: str, own: dict[str, Any], run: Path | None) -> dict[str, Any]:
    """Return the options of a callback with the folder of `prefix_cache` inside the run folder."""
    if name != "prefix_cache" or own.get("folder") is None:
        return own
    root = Path(os.path.realpath(run or Path()))
    place = Path(os.path.realpath(root / str(own["folder"])))
    if not place.is_relative_to(root):
        rule = "it lies outside of the run folder, and a recipe of a stranger could name any folder"
        remedy = "Name a folder inside it, such as features, or give fit callbacks=[PrefixCache()]"
        raise RecipeError(f"trainer.callbacks: prefix_cache: folder {own['folder']}", rule, remedy)
    return {**own, "folder": str(place)}


def _made(key: str, name: str, own: Mapping[str, Any]) -> Any:
    named = find(f"trainer.{key}", name)
    return name if named is None else make(f"trainer.{key}", name, named, own)


def _check_key(key: str) -> None:
    if key in REFUSED:
        raise RecipeError(f"trainer.{key}", REFUSED[key], "Leave it out")
    if key not in PLAIN | NAMED | OURS:
        remedy = did_you_mean(key, sorted(PLAIN | NAMED | OURS)) or "See lightning.Trainer"
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


def _pairs(options: Mapping[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
    return [split(f"trainer.{key}", entry) for entry in _list(options, key)]


def _list(options: Mapping[str, Any], key: str) -> list[Any]:
    value = options.get(key)
    if value is None or value is False:
        return []
    if value is True:
        return list(DEFAULT_LOGGERS)
    return list(value) if isinstance(value, list) else [value]
