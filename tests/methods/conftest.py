"""Fixtures of the tests; `support/` can be imported here and in the processes that tests start."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from scionwood.plugins import discovery

HERE = Path(__file__).parent
SUPPORT, TOY = str(HERE / "support"), str(HERE.parent / "core" / "toy")

sys.path.insert(0, SUPPORT)


@pytest.fixture(scope="session", autouse=True)
def _toy_plugin() -> Iterator[None]:
    """Install the plugin `toy`, which has a backbone and data, here and in child processes."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SUPPORT, TOY, before]))
    sys.path.insert(0, TOY)
    discovery.refresh()
    yield
    sys.path.remove(TOY)
    os.environ["PYTHONPATH"] = before or ""
    discovery.refresh()


@pytest.fixture(autouse=True)
def _same_numbers(_one_thread: None) -> None:
    torch.manual_seed(0)
