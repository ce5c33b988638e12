"""The `trainer:` section of a recipe names plain options and known classes only."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
from case_table import table
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.profilers import PyTorchProfiler
from lightning.pytorch.strategies import DDPStrategy

from scionwood.errors import RecipeError
from scionwood.recipes.recipe import resolve
from scionwood.runs.manifest import write_manifest
from scionwood.training import builtin_components, fit, load_run, options
from scionwood.training.checkpoint import RunCheckpoint
from scionwood.training.named_components import NamedComponent
from scionwood_scale.strategies.sharded import ShardedStrategy

NAMED = [
    NamedComponent(key, name, {})
    for key, table in builtin_components.TABLES.items()
    for name, builtin in table.items()
    if builtin is not None and builtin.reference
]


def test_every_option_of_lightning_trainer_is_accepted_or_refused_with_a_reason() -> None:
    theirs = set(inspect.signature(L.Trainer).parameters)
    assert options.PLAIN | options.CHOSEN_BY_NAME | options.REFUSED.keys() == theirs


@table("named", NAMED, ids=lambda named: f"{named.key}-{named.name}")
def test_every_named_class_has_the_options_listed(named: NamedComponent) -> None:
    signature = inspect.signature(named.load())
    takes_all = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    names = named.known_options()
    assert names is not None
    assert takes_all or {*names} <= signature.parameters.keys()


@table(
    ("given", "message"),
    [
        ({"max_step": 3}, "unknown option 'max_step'.*max_steps"),
        ({"default_root_dir": "/"}, "default_root_dir.*run folder"),
        ({"plugins": []}, "plugins.*names no classes"),
        ({"callbacks": ["os.system"]}, "callbacks: 'os.system'"),
        ({"callbacks": ["early_stoping"]}, "early_stopping"),
        ({"callbacks": [{"name": "early_stopping", "patince": 3}]}, "'patince'.*patience"),
        ({"callbacks": [{"class_path": "evil.Module"}]}, "callbacks"),
        ({"callbacks": [{"name": "ema", "decai": 0.9}]}, "'decai'.*decay"),
        ({"callbacks": [{"name": "lr_finder", "update_attr": True}]}, "'update_attr'"),
        ({"strategy": "deepspeed"}, "strategy: 'deepspeed'.*pickles.*Use the sharded"),
        ({"strategy": "fsdp"}, "strategy: 'fsdp'.*Use the sharded"),
        ({"strategy": {"name": "ddp", "timeout": 3}}, "'timeout'"),
        ({"logger": "os.system"}, "logger: 'os.system'.*Known: csv, tensorboard, wandb"),
        ({"logger": "wandbb"}, "logger: 'wandbb'.*wandb"),
        ({"logger": {"name": "wandb", "log_model": True}}, "'log_model'"),
        ({"logger": {"name": "wandb", "projekt": "x"}}, "'projekt'.*project"),
        ({"logger": {"name": "comet", "api_key": "secret"}}, "'api_key'"),
        ({"logger": [{"name": "csv", "flush": 1}]}, "csv: it has no option 'flush'.*takes none"),
        ({"logger": [3]}, "logger: 3"),
        ({"profiler": "evil.Profiler"}, "profiler"),
        ({"profiler": {"name": "pytorch", "rows": 3}}, "'rows'"),
        ({"profiler": ["simple", "advanced"]}, "one profiler"),
        ({"max_time": {1, 2}}, "max_time.*plain data"),
        ({"precision": [{"a": {1}}]}, "precision.*plain data"),
    ],
    ids=str,
)
def test_anything_else_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        options.check_trainer(given)


@table(
    ("given", "message"),
    [
        ({"callbacks": [{"name": "timer", "duration": "soon"}]}, "timer.*DD:HH:MM:SS"),
        ({"callbacks": [{"name": "ema", "decay": 2}]}, "ema.*decay 2 must be"),
        ({"callbacks": [{"name": "swa", "swa_epoch_start": 1.5}]}, "swa.*must be an epoch"),
        ({"profiler": {"name": "pytorch", "sort_by_key": "beauty"}}, "pytorch.*beauty"),
        ({"callbacks": ["lr_monitor"], "logger": "csv"}, "lr_monitor.*logger: tensorboard"),
        ({"callbacks": ["throughput"], "logger": False}, "throughput.*logger: tensorboard"),
    ],
    ids=str,
)
def test_a_value_that_a_class_refuses_is_an_error_of_the_recipe(
    given: dict[str, Any], message: str
) -> None:
    options.check_trainer(given)
    with pytest.raises(RecipeError, match=message):
        options.build_trainer_options(given)


def test_short_names_become_objects_and_the_rest_passes_through(tmp_path: Path) -> None:
    given = {
        "max_epochs": 3,
        "strategy": {"name": "ddp", "process_group_backend": "gloo"},
        "callbacks": ["early_stopping", {"name": "checkpoint", "every_n_steps": 7}, "lr_finder"],
        "profiler": {"name": "pytorch", "row_limit": 3},
    }
    options.check_trainer(given)
    built = options.build_trainer_options(given, monitor="val_snr", mode="max", folder=tmp_path)
    assert built["max_epochs"] == 3
    assert isinstance(built["strategy"], DDPStrategy)
    stopping = next(c for c in built["callbacks"] if isinstance(c, EarlyStopping))
    assert (stopping.monitor, stopping.mode) == ("val_snr", "max")
    saving = next(c for c in built["callbacks"] if isinstance(c, RunCheckpoint))
    assert saving.every_n_steps == 7
    assert len(built["callbacks"]) == 2, "a finder acts before training"
    assert isinstance(built["profiler"], PyTorchProfiler)
    assert built["profiler"].dirpath == tmp_path
    sharded = options.build_trainer_options({"strategy": "scale/model_parallel"})["strategy"]
    assert isinstance(sharded, ShardedStrategy)


def test_checkpoints_and_both_loggers_are_the_default() -> None:
    built = options.build_trainer_options({})
    assert [type(callback) for callback in built["callbacks"]] == [RunCheckpoint]
    tensorboard = NamedComponent("trainer.logger", "tensorboard", {})
    assert options.loggers({}) == options.loggers({"logger": True}) == [tensorboard]
    assert options.loggers({"logger": False}) == options.loggers({"logger": "csv"}) == []


def test_a_missing_package_is_named_before_training_and_not_needed_to_load(
    toy_fit: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = toy_fit("trainer.max_steps=1")
    recipe = (run / "recipe.yaml").read_text("utf-8")
    monkeypatch.setattr(options, "find_spec", lambda name: None)
    for name in ("tensorboard", "wandb", "mlflow", "comet"):
        (run / "recipe.yaml").write_text(recipe.replace("logger: csv", f"logger: {name}"), "utf-8")
        write_manifest(run)
        package = builtin_components.LOGGERS[name].package
        message = rf"logger: {name}.*package {package}.*Run: pip install '{package}>=[\d.]+'$"
        with pytest.raises(RecipeError, match=message):
            fit(resolve(run / "recipe.yaml"), run_dir=tmp_path / "other")
        assert not (tmp_path / "other").exists()
        load_run(run)


def test_checking_imports_nothing_heavy() -> None:
    code = (
        "import sys; from scionwood.training.options import *\n"
        "check_trainer({'logger': 'csv', 'callbacks': ['ema'], 'profiler': 'pytorch'})\n"
        "check_installed({'logger': 'tensorboard'})\n"
        "print([name for name in ('torch', 'lightning', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
