"""Fixtures of the adapter tests; tests and their subprocesses can import from `support/`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

SUPPORT = Path(__file__).parent / "support"
sys.path.insert(0, str(SUPPORT))


@pytest.fixture(autouse=True)
def _same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{SUPPORT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    torch.manual_seed(0)


@pytest.fixture
def gated(distribution: Callable[..., Path]) -> str:
    """Install a plugin with an adapter method, and return its name in a recipe."""
    distribution("gated", (SUPPORT / "gated_method.py").read_text(), dist="gated-peft")
    return "gated/lowrank"
