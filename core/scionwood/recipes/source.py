"""Find a module's file, parse it, and follow a name to the class or function that it stands for."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec, resolve_name
from pathlib import Path

HOPS = 20
"""The most imports that are followed for one name; more of them are a circle."""

Bindings = dict[str, list[ast.FunctionDef | ast.ClassDef | str | None]]
"""What names are bound to: a definition, a dotted name that is imported, or anything else."""


@dataclass(frozen=True)
class Definition:
    """A class or a function at the top level of a module."""

    module: str
    node: ast.FunctionDef | ast.ClassDef

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
        bound = _bindings(module).get(name, [])
        if len(bound) != 1 or bound[0] is None:
            return None
        if not isinstance(bound[0], str):
            return Definition(module, bound[0])
        dotted = bound[0]
    return None


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


@lru_cache(maxsize=256)
def bindings_in(node: ast.AST, package: str = "") -> Bindings:
    """Return what the body of a module or of a class binds, but not what its definitions bind.

    Args:
        node: the module or the class.
        package: the package from which relative imports of the module start.
    """
    binder = _Binder(package)
    binder.generic_visit(node)
    return binder.bound


class _Binder(ast.NodeVisitor):
    def __init__(self, package: str) -> None:
        self.package = package
        self.bound: Bindings = {}

    def bind(self, name: str, target: ast.FunctionDef | ast.ClassDef | str | None) -> None:
        self.bound.setdefault(name, []).append(target)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.bind(node.name, node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.bind(node.name, node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name.partition(".")[0]
            self.bind(alias.asname or top, alias.name if alias.asname else top)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        home = resolve_name("." * node.level + (node.module or ""), self.package)
        for alias in node.names:
            self.bind(alias.asname or alias.name, f"{home}.{alias.name}")

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.bind(node.id, None)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            self.bind(node.value.id, None)  # `NAME.attribute = ...` settles nothing


def _bindings(module: str) -> Bindings:
    """Return what each name of a module is bound to."""
    file = module_file(module) if module else None
    if file is None:
        return {}
    is_package = file.name == "__init__.py"
    bound: Bindings = {}
    # The stub lists what a lazy package imports at the first use.
    for source in (file, file.with_suffix(".pyi")) if is_package else (file,):
        if source.is_file() and (tree := parsed(source)):
            bound = bindings_in(tree, module if is_package else module.rpartition(".")[0]) | bound
    return bound


def qualified(module: str, expression: ast.expr) -> str | None:
    """Return the dotted name of an expression such as `L.LightningModule` in a module.

    Of a call or a subscript it is that of what is called or indexed. The name is spelled as in the
    module's own imports; None for any other expression.
    """
    head, dot, rest = spelled(expression).partition(".")
    bound = _bindings(module).get(head, [f"builtins.{head}"])
    if not head or len(bound) > 1:
        return None
    return (bound[0] if isinstance(bound[0], str) else f"{module}.{head}") + dot + rest


def spelled(expression: ast.expr) -> str:
    """Return the dotted name before a call or an index, `Generic` of `Generic[T]`; may be empty."""
    return re.split(r"[^\w.]", ast.unparse(expression), maxsplit=1)[0]
