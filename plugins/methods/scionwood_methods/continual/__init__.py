"""Continual learning of a sequence of tasks: the controller, the methods and the metrics.

Names are imported at their first use, so that a plain training loop does not import Lightning.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "ace": ("AceLora",),
    "callback": ("ContinualCallback",),
    "controller": ("ContinualController", "ContinualMethod"),
    "ewc": ("Ewc",),
    "igsp": ("Igsp",),
    "methods": ("METHODS", "make_method"),
    "metrics": ("average_accuracy", "backward_transfer", "forgetting"),
    "naive": ("Naive",),
    "seqlora": ("SeqLora",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
