"""Callbacks, loggers, optimisers and schedules of a plugin, named in a recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from case_table import table

from scionwood import resolve
from scionwood.cli.inspection import describe, overview
from scionwood.errors import PluginError, RecipeError
from scionwood.plugins import discovery
from scionwood.training import fit
from scionwood.training.metrics import read_metrics

RECORD = """
from scionwood import Plugin
plugin = Plugin(
    name="extra",
    summary="One of each",
    callbacks={"count": "fake_parts_extra:Count"},
    loggers={"lines": "fake_parts_extra:Lines", "absent": "fake_parts_extra_absent:Absent"},
    optimizers={"sign": "fake_parts_extra:sign", "none": "fake_parts_extra:none"},
    schedules={"half": "fake_parts_extra:half", "wrong": "fake_parts_extra:wrong"},
)
"""
PARTS = '''
import json
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from torch.optim import SGD


class Count(Callback):
    """Write the number of steps into the run folder.

    Args:
        file: the name of the file.
    """

    def __init__(self, *, file: str = "count.txt") -> None:
        self.file = file

    def on_train_end(self, trainer, pl_module):
        (trainer.loggers[0].folder / self.file).write_text(str(trainer.global_step))


class Lines(Logger):
    """Write metrics as lines of JSON.

    Args:
        indent: the indent of a line.
    """

    def __init__(self, folder, *, indent: int = 0) -> None:
        self.folder, self.indent = folder, indent

    name, version = "lines", ""

    def log_hyperparams(self, params, *args, **kwargs):
        self.recipe = params["recipe"]

    def log_metrics(self, metrics, step=None):
        with (self.folder / "lines.json").open("a") as file:
            file.write(" " * self.indent + json.dumps({"step": step, **metrics}) + "\\n")


def sign(groups, backbone, *, scale: float = 1.0):
    """Descend, and note the names of what trains.

    Args:
        scale: a factor of the rate.
    """
    names = [name for name, p in backbone.named_parameters() if p.requires_grad]
    assert sum(len(group["params"]) for group in groups) == len(names)
    optimizer = SGD([{**group, "lr": group["lr"] * scale} for group in groups])
    optimizer.names = names
    return optimizer


def none(groups, backbone):
    """Make nothing."""


def half(step: int, total: float, *, share: float = 0.5) -> float:
    """Keep the rate, then a share of it in the second half.

    Args:
        share: the share.
    """
    return 1.0 if step < total / 2 else share


def wrong(step: int, total: float) -> float:
    """Begin at two."""
    return 2.0
'''


@pytest.fixture
def extra(distribution: Callable[..., Path]) -> None:
    """A plugin with one component of each new kind is installed; its record imports nothing."""
    site = distribution("extra", RECORD)
    (site / "fake_parts_extra.py").write_text(PARTS)


GIVEN = {
    "trainer.callbacks": ["extra/count"],
    "trainer.logger": {"name": "extra/lines", "indent": 2},
    "task.optimizer": {"name": "extra/sign", "scale": 0.5},
    "task.schedule": "extra/half",
    "trainer.max_steps": 4,
    "task.lr": 0.25,
}


def test_a_recipe_names_them_and_a_run_uses_them(extra: None, tmp_path: Path) -> None:
    run = fit("toy/regress", run_dir=tmp_path / "run", overrides=GIVEN)
    assert (run / "count.txt").read_text() == "4"
    lines = (run / "lines.json").read_text().splitlines()
    assert all(line.startswith("  {") for line in lines)
    assert json.loads(lines[0])["step"] == 0
    rates = [float(row["lr"]) for row in read_metrics(run / "metrics.csv") if "lr" in row]
    assert rates == [0.125, 0.125, 0.0625, 0.0625]
    again = resolve(run / "recipe.yaml")
    assert again.task.options["optimizer"] == {"name": "extra/sign", "scale": 0.5}
    assert again.trainer["logger"] == {"name": "extra/lines", "indent": 2}


def test_plugins_and_show_list_them(extra: None) -> None:
    entry = discovery.find("extra")
    assert "optimizers: sign, none\nschedules: half, wrong" in overview(entry)[2]
    text = describe("extra")
    for word in ("callback        extra/count", "logger          extra/lines"):
        assert word in text
    assert "scale: float = 1.0" in describe("extra/sign")
    assert "indent: int = 0" in describe("extra/lines")


@table(
    ("override", "message"),
    [
        ({"task.optimizer": "extra/sgn"}, "plugin 'extra': no optimizer 'sgn'.*'sign'"),
        ({"task.optimizer": "absent/sign"}, "plugin 'absent': unknown"),
        ({"trainer.callbacks": ["seismic/stop"]}, "no callback 'stop'"),
        ({"trainer.logger": "extra/absent"}, "extra/absent: cannot import.*Reinstall the plugin"),
        ({"task.optimizer": "extra/none"}, "extra/none: it made a NoneType, and no torch.optim"),
        ({"task.schedule": "extra/wrong"}, "share of the rate at step 0 is 2.0"),
        ({"task.optimizer": {"name": "extra/sign", "skale": 1}}, "'skale'.*Did you mean 'scale'"),
        ({"task.optimizer": {"name": "extra/sign", "scale": "big"}}, "extra/sign.*scale.*float"),
        ({"task.schedule": {"name": "extra/half", "step": 3}}, "no option 'step'"),
        ({"trainer.callbacks": {"name": "extra/count", "fil": "x"}}, "'fil'.*'file'"),
        ({"trainer.callbacks": [{"name": "extra/count", "file": 3}]}, "extra/count.*file.*str"),
        ({"trainer.logger": {"name": "extra/lines", "folder": "/"}}, "no option 'folder'"),
        ({"trainer.callbacks": "count"}, "no callback has this name. Did you mean 'extra/count'"),
    ],
    ids=str,
)
def test_what_is_wrong_or_not_installed_is_refused_before_training(
    extra: None, tmp_path: Path, override: dict[str, Any], message: str
) -> None:
    with pytest.raises((RecipeError, PluginError), match=f"(?s){message}"):
        fit("toy/regress", run_dir=tmp_path / "run", overrides=override)
    assert not (tmp_path / "run" / "metrics.csv").exists()
