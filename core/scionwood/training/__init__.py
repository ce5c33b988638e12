"""Training on `lightning.Trainer`: the task, the run folder, exact resume."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Task": "task",
    "DataLoader": "loader",
    "build": "run",
    "fit": "run",
    "test": "run",
    "load_run": "run",
    "FrozenPrefix": "prefix.cache",
    "PrefixCache": "prefix.callback",
    "volumes_fail_in_bfloat16": "precision",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
