"""Find a module's file, parse it, and follow a name to the class or function that it stands for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

Defining = ast.FunctionDef | ast.ClassDef

HOPS = 20
"""The most imports that are followed for one name; more of them are a circle."""


@dataclass(frozen=True)
class Definition:
    """A class or a function at the top level of a module."""

    module: str
    node: Defining

    @property
    def name(self) -> str:
        """Return the dotted name of the place where it is defined."""
        return f"{self.module}.{self.node.name}"


def define(dotted: str) -> Definition | None:
    """Return the class or function that `package.module.name` stands for.

    Imports are followed through modules, packages and the stub of a lazy package.

    Args:
        dotted: a name with its module, written with dots alone.

    Returns:
        The definition, or None if the name is not bound exactly once by a definition or an import.
    """
    for _ in range(HOPS):
        module, _, name = dotted.rpartition(".")
        if not module or (file := module_file(module)) is None:
            return None
        bound = _bindings(file, module).get(name, [])
        if len(bound) != 1:
            return None
        if isinstance(bound[0], str):
            dotted = bound[0]
        elif isinstance(bound[0], Defining):
            return Definition(module, bound[0])
        else:
            return None
    return None


def qualified(module: str, expression: ast.expr) -> str | None:
    """Return the dotted name of an expression such as `L.LightningModule` in a module.

    Args:
        module: the module in which the expression stands.
        expression: a name or an attribute; of a call or a subscript, what is called or indexed.

    Returns:
        The name as the module's own imports spell it, or None for any other expression.
    """
    if isinstance(expression, ast.Call):
        return qualified(module, expression.func)
    if isinstance(expression, ast.Subscript):
        return qualified(module, expression.value)
    if isinstance(expression, ast.Attribute):
        owner = qualified(module, expression.value)
        return f"{owner}.{expression.attr}" if owner else None
    if not isinstance(expression, ast.Name) or (file := module_file(module)) is None:
        return None
    bound = _bindings(file, module).get(expression.id, [])
    if not bound:
        return f"builtins.{expression.id}"
    if len(bound) > 1:
        return None
    return bound[0] if isinstance(bound[0], str) else f"{module}.{expression.id}"


def module_file(module: str) -> Path | None:
    """Return the source file of a module; its parents are not imported, unlike in `find_spec`."""
    top, *parts = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not parts and spec.origin and spec.origin.endswith(".py"):
        return Path(spec.origin)
    for folder in spec.submodule_search_locations or ():
        place = Path(folder, *parts)
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                return file
    return None


def parsed(file: Path) -> ast.Module | None:
    """Return the syntax tree of a file, or None if it cannot be read or parsed."""
    try:
        return _parsed(file, file.stat().st_mtime_ns)
    except (OSError, SyntaxError, ValueError):
        return None


@lru_cache(maxsize=256)
def _parsed(file: Path, _: int) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def _bindings(file: Path, module: str) -> dict[str, list[Defining | str | None]]:
    """Return what each name of a module is bound to: a definition, a dotted name, or None."""
    bound: dict[str, list[Defining | str | None]] = {}
    is_package = file.name == "__init__.py"
    files = [file, file.with_suffix(".pyi")] if is_package else [file]
    for source in files:  # the stub lists what a lazy package imports at the first use
        if source.is_file() and (tree := parsed(source)):
            for name, target in _bound(tree.body, module if is_package else _parent(module)):
                if source is file or name not in bound:
                    bound.setdefault(name, []).append(target)
    return bound


def _bound(statements: list[ast.stmt], package: str) -> Iterator[tuple[str, Defining | str | None]]:
    for statement in statements:
        if isinstance(statement, Defining):
            yield statement.name, statement
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                top = alias.name.partition(".")[0]
                yield alias.asname or top, alias.name if alias.asname else top
        elif isinstance(statement, ast.ImportFrom):
            home = _home(statement, package)
            for alias in statement.names:
                yield alias.asname or alias.name, f"{home}.{alias.name}"
        else:
            yield from _others(statement, package)


def _others(statement: ast.stmt, package: str) -> Iterator[tuple[str, Defining | str | None]]:
    # Blocks are entered. `NAME = ...` and `NAME.attribute = ...` settle nothing.
    for field in ("body", "orelse", "finalbody"):
        yield from _bound(getattr(statement, field, []), package)
    for handler in getattr(statement, "handlers", []):
        yield from _bound(handler.body, package)
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    for target in filter(None, targets):
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                yield node.id, None


def _home(statement: ast.ImportFrom, package: str) -> str:
    for _ in range(statement.level - 1):
        package = _parent(package)
    return ".".join(filter(None, [package if statement.level else "", statement.module]))


def _parent(module: str) -> str:
    return module.rpartition(".")[0]
