"""Fused operators: a reference in plain torch defines each; a table chooses among faster forms.

Names are imported when they are first used. `enable`, `disable` and `kernel_report` act on the
adapter layers of a model, which only `scionwood.adapters` knows, so they live there.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "lora_linear": "scionwood.kernels.linear",
    "lora_conv": "scionwood.kernels.conv",
    "enable": "scionwood.adapters.fusing",
    "disable": "scionwood.adapters.fusing",
    "kernel_report": "scionwood.adapters.fusing",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
