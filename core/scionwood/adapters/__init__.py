"""The adapter interface over HF peft: attach, report, save, load, merge, compose, third parties.

Names are imported when they are first used: importing this package imports neither torch nor peft.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "scionwood.adapters.attaching": ("attach",),
    "scionwood.adapters.head": ("eval_frozen_norms", "freeze", "unfreeze"),
    "scionwood.adapters.files": ("load_head", "save_head"),
    "scionwood.adapters.identity": ("base_hash", "remembered_hash"),
    "scionwood.adapters.load": ("load_adapter",),
    "scionwood.adapters.methods": ("config_class",),
    "scionwood.adapters.operate": ("allocate", "compose", "merge", "unmerge"),
    "scionwood.adapters.peft_types": ("peft_method",),
    "scionwood.adapters.reporting": ("Report", "parameter_groups", "report"),
    "scionwood.adapters.save": ("adapter_state", "save_adapter"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
