"""Copies of medical images without what names a person, and the check of such copies.

The names are listed in `__init__.pyi`, each with its home, and imported when they are first used:
the command line answers before numpy is loaded.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

from scionwood_deid.errors import OptionError as OptionError
from scionwood_sandbox import configure, settings

__version__ = "0.1.0"

# What a child may send: the frozen dataclasses of this package, and its error.
configure(settings.variable, "scionwood_deid", (OptionError,))

_HOMES = {
    alias.name: statement.module
    for statement in ast.parse(Path(__file__).with_suffix(".pyi").read_text("utf-8")).body
    if isinstance(statement, ast.ImportFrom) and statement.module
    for alias in statement.names
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
