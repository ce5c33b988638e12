"""The `trainer:` section of a recipe names plain options and known classes only."""

from __future__ import annotations

import inspect
from typing import Any

import lightning as L
import pytest
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.strategies import DDPStrategy

from scionwood.errors import RecipeError
from scionwood.training import options
from scionwood.training.points import RunCheckpoint
from scionwood.training.shard import ShardedStrategy


def test_every_option_of_lightning_trainer_is_accepted_or_refused_with_a_reason() -> None:
    theirs = set(inspect.signature(L.Trainer).parameters)
    assert options.PLAIN | options.NAMED | options.REFUSED.keys() == theirs


@pytest.mark.parametrize(
    "named",
    [*options.CALLBACKS.values(), *filter(None, options.STRATEGIES.values())],
    ids=lambda named: named.reference,
)
def test_every_named_class_has_the_options_listed(named: options.Named) -> None:
    signature = inspect.signature(options._load(named))
    takes_all = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    assert takes_all or named.options <= signature.parameters.keys()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_step": 3}, "unknown option 'max_step'.*max_steps"),
        ({"default_root_dir": "/"}, "default_root_dir.*run folder"),
        ({"plugins": []}, "plugins.*names no classes"),
        ({"callbacks": ["os.system"]}, "callbacks: 'os.system'"),
        ({"callbacks": ["early_stoping"]}, "early_stopping"),
        ({"callbacks": [{"name": "early_stopping", "patince": 3}]}, "'patince'.*patience"),
        ({"callbacks": [{"class_path": "evil.Module"}]}, "callbacks"),
        ({"strategy": "deepspeed"}, "strategy: 'deepspeed'"),
        ({"strategy": {"name": "ddp", "timeout": 3}}, "'timeout'"),
        ({"logger": "wandb"}, "logger: 'wandb'"),
        ({"logger": [{"name": "csv"}]}, "logger"),
        ({"profiler": "evil.Profiler"}, "profiler"),
        ({"max_time": {1, 2}}, "max_time.*plain data"),
        ({"precision": [{"a": {1}}]}, "precision.*plain data"),
    ],
    ids=str,
)
def test_anything_else_is_refused_by_name(given: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        options.check_trainer(given)


def test_short_names_become_objects_and_the_rest_passes_through() -> None:
    given = {
        "max_epochs": 3,
        "strategy": {"name": "ddp", "process_group_backend": "gloo"},
        "callbacks": ["early_stopping", {"name": "checkpoint", "every_n_steps": 7}],
    }
    options.check_trainer(given)
    built = options.build_trainer_options(given, monitor="val_snr", mode="max")
    assert built["max_epochs"] == 3
    assert isinstance(built["strategy"], DDPStrategy)
    stopping = next(c for c in built["callbacks"] if isinstance(c, EarlyStopping))
    assert (stopping.monitor, stopping.mode) == ("val_snr", "max")
    saving = next(c for c in built["callbacks"] if isinstance(c, RunCheckpoint))
    assert saving.every_n_steps == 7
    sharded = options.build_trainer_options({"strategy": "model_parallel"})["strategy"]
    assert isinstance(sharded, ShardedStrategy)


def test_checkpoints_and_both_loggers_are_the_default() -> None:
    built = options.build_trainer_options({})
    assert [type(callback) for callback in built["callbacks"]] == [RunCheckpoint]
    assert built["logger"] == ["csv", "tensorboard"]
    assert options.build_trainer_options({"logger": False})["logger"] == []
