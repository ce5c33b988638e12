"""Resolve the public names of a package when they are first used, from its type stub."""

from __future__ import annotations

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def attach_stub(
    package: str, file: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package whose stub lists its names.

    The stub `__init__.pyi` beside `__init__.py` is the one list of names: type checkers read it,
    and this function reads it at run time. A line `from package.module import name as name` makes
    `package.name` resolve to that object at each use. A line `from package import module as module`
    imports a module of the package; modules do not count among `__all__`.
    The root of a package reads `__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)`.

    Args:
        package: `__name__` of the package.
        file: `__file__` of the package.

    Example:
        >>> names = authoring.attach_stub("scionwood.authoring", authoring.__file__)[2]
        >>> "attach_stub" in names
        True
    """
    home_of = homes(file)
    names = sorted(name for name, home in home_of.items() if home != package)

    def resolve(name: str) -> Any:
        home = home_of.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if home == package:
            return import_module(f"{package}.{name}")
        return getattr(import_module(home), name)

    return resolve, lambda: sorted({"__doc__", "__file__", "__name__", *home_of}), names


def homes(file: str) -> dict[str, str]:
    """Return the module of each public name, from the stub beside a package's `__init__.py`."""
    return {
        alias.name: statement.module
        for statement in ast.parse(Path(file).with_suffix(".pyi").read_text("utf-8")).body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
        if alias.asname == alias.name  # as type checkers read it: a plain import is no public name
    }
