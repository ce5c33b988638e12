"""The progress bar shows the steps and the time left, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def test_a_terminal_sees_steps_and_the_time_left(
    toy_fit: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    toy_fit("trainer.max_steps=12")
    shown = capsys.readouterr().out
    assert "Epoch 2" in shown
    assert "step: 12/12" in shown
    assert "left: 0:00:00" in shown


def test_a_log_file_sees_nothing(
    toy_fit: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    toy_fit("trainer.max_steps=3")
    assert capsys.readouterr().out == ""
