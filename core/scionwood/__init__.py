"""Scionwood: parameter-efficient adapters for scientific foundation models.

Names are imported when they are first used, so that `import scionwood` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "scionwood.plugin": ("Plugin",),
    "scionwood.reader": ("Reader", "Record"),
    "scionwood.errors": (
        "ScionwoodError",
        "PluginError",
        "RecipeError",
        "AdapterError",
        "AdapterFileError",
        "WeightsError",
        "ReadError",
        "WriteError",
        "OutputExistsError",
        "TrainingError",
    ),
    "scionwood.discovery": ("plugins", "find", "load", "refresh"),
    "scionwood.files": ("atomic_path",),
    "scionwood.recipe": ("resolve",),
    "scionwood.adapters": (
        "attach",
        "save_adapter",
        "load_adapter",
        "merge",
        "unmerge",
        "compose",
        "report",
        "parameter_groups",
        "peft_method",
    ),
    "scionwood.kernels": ("lora_linear", "lora_conv", "kernel_report"),
    "scionwood.training": (
        "Task",
        "DataLoader",
        "build",
        "fit",
        "test",
        "load_run",
        "FrozenPrefix",
        "volumes_fail_in_bfloat16",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
