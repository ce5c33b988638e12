"""Tests of adapters and their subprocesses import from `support/` and from `layers/`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

SUPPORT = Path(__file__).parent / "support"
FOLDERS = [str(SUPPORT), str(SUPPORT.with_name("layers"))]
sys.path[:0] = FOLDERS


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*FOLDERS, os.environ.get("PYTHONPATH", "")]))
    torch.manual_seed(0)


@pytest.fixture
def gated(distribution: Callable[..., Path]) -> str:
    """Install a plugin with an adapter method, and return its name in a recipe."""
    distribution("gated", (SUPPORT / "gated_method.py").read_text(), dist="gated-peft")
    return "gated/lowrank"
