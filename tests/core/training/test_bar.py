"""Progress: a bar on a terminal and in a notebook, lines on stderr everywhere else."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from case_table import table

from scionwood import test as measure
from scionwood.errors import TrainingError
from scionwood.training.progress import INTERVAL, TextProgress, progress

Fit = Callable[..., Path]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # The class, because capsys makes another stream for the test itself.
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _: True)
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """What code sees inside a kernel of Jupyter."""

    class ZMQInteractiveShell:
        pass

    module = ModuleType("IPython")
    module.get_ipython = ZMQInteractiveShell  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)


def lines(capsys: pytest.CaptureFixture[str], command: str) -> list[str]:
    out, err = capsys.readouterr()
    assert out == "", "what a program reads stays apart from what a person reads"
    return [line for line in err.splitlines() if line.startswith(f"{command}:")]


@pytest.mark.usefixtures("terminal")
def test_a_terminal_sees_steps_and_the_time_left(
    toy_fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    run = toy_fit("trainer.max_steps=12")
    shown, err = capsys.readouterr()
    assert "Epoch 2" in shown
    assert "step: 12/12" in shown
    assert "left: 0:00:00" in shown
    assert "fit:" not in err
    measure(run)
    assert "Testing" in capsys.readouterr().out


@pytest.mark.usefixtures("notebook")
def test_a_notebook_sees_a_bar_with_steps_and_the_time_left(
    toy_fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    run = toy_fit("trainer.max_steps=12")
    shown, err = capsys.readouterr()
    assert "step=12/12" in shown
    assert "left=0:00:00" in shown
    assert "fit:" not in err
    measure(run)
    assert "Testing" in capsys.readouterr().out


def test_python_without_ipython_or_in_its_terminal_is_no_notebook(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert isinstance(progress(), TextProgress)
    module = ModuleType("IPython")
    module.get_ipython = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)
    assert isinstance(progress(), TextProgress)


def test_a_log_has_a_first_and_a_last_line(
    toy_fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_fit("trainer.max_steps=12")
    first, last = lines(capsys, "fit")
    number = r"[\d.e+-]+"
    pace = rf"{number} steps/s, \d+:\d\d:\d\d left"
    assert re.fullmatch(rf"fit: epoch 1, step 1/12, train_loss {number}, {pace}", first)
    assert re.fullmatch(
        rf"fit: finished, step 12 after \d+:\d\d:\d\d, train_loss {number}, val_loss {number}", last
    )


def test_a_log_has_a_line_after_each_interval_in_training_validation_and_test(
    toy_fit: Fit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(INTERVAL, "0")
    run = toy_fit("trainer.max_steps=3", "trainer.accumulate_grad_batches=2")
    steps = [re.sub(r" after \d.*|, train_loss.*", "", line) for line in lines(capsys, "fit")]
    assert steps == [
        "fit: check, batch 1/2",
        "fit: check, batch 2/2",
        "fit: epoch 1, step 0/3",
        "fit: epoch 1, step 1/3",
        "fit: epoch 1, step 1/3",
        "fit: epoch 1, step 2/3",
        "fit: epoch 1, step 2/3",
        "fit: epoch 1, step 3/3",
        "fit: validation after step 3, batch 1/2",
        "fit: validation after step 3, batch 2/2",
        "fit: finished, step 3",
    ]
    measure(run)
    batches = [line.split(",")[0] for line in lines(capsys, "test")]
    assert batches == ["test: batch 1/2", "test: batch 2/2", "test: finished"]


def test_the_interval_is_that_of_the_clock(
    toy_fit: Fit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ticks = iter(range(1000))  # each look at the clock is a second later
    monkeypatch.setattr("scionwood.training.progress.time.monotonic", lambda: float(next(ticks)))
    monkeypatch.setattr("scionwood.training.progress._DEFAULT", 10.0)
    toy_fit("trainer.max_epochs=4", "trainer.limit_val_batches=0")
    steps = [int(re.findall(r"step (\d+)", line)[0]) for line in lines(capsys, "fit")]
    assert steps[:1] + steps[-1:] == [1, 32]
    assert len(steps) == 5
    assert all(7 <= later - step <= 10 for step, later in pairwise(steps[:-1]))


def test_a_resumed_run_counts_from_its_step(
    toy_fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    run = toy_fit("trainer.max_steps=3")
    capsys.readouterr()
    toy_fit("trainer.max_steps=12", resume=run)
    assert lines(capsys, "fit")[0].startswith("fit: epoch 1, step 4/12")


@pytest.mark.parametrize("surrounding", ["terminal", "notebook", "log"])
def test_a_recipe_can_silence_it(
    toy_fit: Fit,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
    surrounding: str,
) -> None:
    if surrounding != "log":
        request.getfixturevalue(surrounding)
    run = toy_fit("trainer.max_steps=1", "trainer.enable_progress_bar=false")
    measure(run)
    out, err = capsys.readouterr()
    assert out == ""
    assert not re.search("^(fit|test):", err, re.M)


@table("text", ["soon", "-1", "nan"])
def test_a_wrong_interval_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(INTERVAL, text)
    with pytest.raises(TrainingError, match=f"{INTERVAL}={text}.*For example {INTERVAL}=30"):
        TextProgress()
