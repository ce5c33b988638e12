"""A checkpoint whose state is damaged is named, whatever part of the state it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from case_table import table

from scionwood.errors import TrainingError
from scionwood.training.checkpoint import LAST
from scionwood.training.resume import restoring

STOPPING = "trainer.callbacks=[{name: early_stopping, patience: 9}, ema]"


def at(state: Any, *path: Any) -> tuple[Any, Any]:
    for key in path[:-1]:
        state = state[key]
    return state, path[-1]


STOPPED = "EarlyStopping{'monitor': 'val_loss', 'mode': 'min'}"
DAMAGES: dict[str, tuple[tuple[Any, ...], Any]] = {
    "no step": (("global_step",), None),
    "no version": (("pytorch-lightning_version",), {"a": 1}),
    "state is a number": (("state_dict",), -1),
    "no optimiser": (("optimizer_states",), []),
    "moment of another shape": (("optimizer_states", 0, "state", 0, "exp_avg"), torch.ones(7, 3)),
    "moment is text": (("optimizer_states", 0, "state", 0, "exp_avg_sq"), "text"),
    "wrong optimiser": (("optimizer_states", 0, "param_groups", 0, "betas"), {}),
    "schedule": (("lr_schedulers", 0, "lr_lambdas"), "text"),
    "loops": (("loops", "fit_loop", "epoch_progress"), {}),
    "counter": (("loops", "fit_loop", "epoch_loop.batch_progress", "current", "ready"), "text"),
    "callbacks": (("callbacks",), torch.zeros(3)),
    "early stopping": (("callbacks", STOPPED), 7),
    "best score": (("callbacks", STOPPED, "best_score"), None),
    "best score of text": (("callbacks", STOPPED, "best_score"), "text"),
    "patience": (("callbacks", STOPPED, "wait_count"), None),
    "average": (("callbacks", "Ema", "average"), {}),
    "random": (("scionwood", "random"), [1, "a"]),
    "random of Python": (("scionwood", "random", 0, "python"), "text"),
    "random of numpy": (("scionwood", "random", 0, "numpy"), ("MT19937", [1, 2], 3, 0, 0.0)),
    "random of torch": (("scionwood", "random", 0, "torch"), torch.zeros(3)),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, toy_plugin: None) -> Path:
    """A run of one step."""
    from scionwood import fit, resolve

    recipe = resolve("toy/regress", ["trainer.logger=csv", "trainer.max_steps=1", STOPPING])
    return Path(fit(recipe, run_dir=tmp_path_factory.mktemp("whole") / "run"))


@table(("path", "value"), DAMAGES.values(), ids=DAMAGES, parts=5)
def test_a_run_does_not_resume_from_damaged_state(
    toy_fit: Callable[..., Path],
    whole: Path,
    tmp_path: Path,
    path: tuple[Any, ...],
    value: Any,
) -> None:
    checkpoint = torch.load(whole / LAST, weights_only=True)
    holder, key = at(checkpoint, *path)
    holder[key] = value
    run = tmp_path / "run"
    (run / LAST).parent.mkdir(parents=True)
    (run / "recipe.yaml").write_bytes((whole / "recipe.yaml").read_bytes())
    torch.save(checkpoint, run / LAST)
    with pytest.raises(TrainingError, match=r"last\.ckpt: the run cannot go on") as caught:
        toy_fit("trainer.max_steps=2", STOPPING, resume=run)
    assert "start a new run" in caught.value.remedy


def test_other_errors_of_a_resumed_run_keep_their_class(tmp_path: Path) -> None:
    start = tmp_path / "last.ckpt"
    start.write_bytes(b"state")
    with pytest.raises(KeyError), restoring(start):  # raised by this file, which is no framework
        raise KeyError("of a task")
    with pytest.raises(FileNotFoundError), restoring(start):
        torch.load(tmp_path / "absent")
    with pytest.raises(AttributeError), restoring(None):
        torch.optim.SGD([torch.ones(1)], lr=1).load_state_dict(None)  # type: ignore[arg-type]
