"""What the source of the code around a module tells, where no example input shows it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, final

import torch.nn as nn
from peft.tuners.tuners_utils import BaseTunerLayer


def read_only(base: nn.Module, name: str) -> bool:
    """Return whether the weight of a module goes into a function, and no code around it calls it.

    A module counts only if every use of it is `self.name.weight` or `self.name.bias`, and one of
    them is an argument of a call or a side of a product.
    """
    parent_name, _, attribute = name.rpartition(".")
    parent = base.get_submodule(parent_name)
    if isinstance(parent, BaseTunerLayer):
        return False
    kind: Any = type(parent)  # a class, which mypy takes for unhashable
    uses, reads, passed = _uses(kind)
    return attribute in passed and uses[attribute] == reads[attribute]


def asks_for_attention(base: nn.Module, name: str) -> bool:
    """Return whether the code around a module asks if it is an `nn.MultiheadAttention`."""
    parent_name, _, attribute = name.rpartition(".")
    return any(
        _of_self(node.args[0]) == attribute and "MultiheadAttention" in ast.unparse(node.args[1])
        for tree in _sources(type(base.get_submodule(parent_name)))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        if isinstance(node.func, ast.Name) and node.func.id == "isinstance" and len(node.args) == 2
    )


@lru_cache(maxsize=1024)
def _uses(kind: type) -> tuple[Counter[str], Counter[str], frozenset[str]]:
    """Count the uses of each attribute of `self`, and those of its weight and bias alone.

    Returns:
        All uses, those as `self.name.weight`, and the names of which one is an operand.
    """
    uses: Counter[str] = Counter()
    reads: Counter[str] = Counter()
    passed: set[str] = set()
    for tree in _sources(kind):
        for node in ast.walk(tree):
            if name := _of_self(node):
                uses[name] += 1
            if name := _tensor_of(node):
                reads[name] += 1
            passed |= {name for operand in _operands(node) if (name := _tensor_of(operand))}
    return uses, reads, frozenset(passed)


def _of_self(node: ast.AST) -> str:
    """Return the attribute that `self.name` reads, or an empty text."""
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        return node.attr if isinstance(node.value, ast.Name) and node.value.id == "self" else ""
    return ""


def _operands(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call):
        return [*node.args, *(keyword.value for keyword in node.keywords)]
    return [node.left, node.right] if isinstance(node, ast.BinOp) else []


def _tensor_of(node: ast.AST) -> str:
    is_tensor = isinstance(node, ast.Attribute) and node.attr in ("weight", "bias")
    return _of_self(node.value) if is_tensor else ""  # type: ignore[attr-defined]


def _sources(kind: type) -> Iterator[ast.AST]:
    """Yield the syntax trees of a class and of its bases, as far as they were made from files."""
    for cls in kind.__mro__:
        if cls not in (nn.Module, object):
            yield from _parsed(cls)


def _parsed(thing: Any) -> list[ast.AST]:
    """Return the syntax tree of a class or function, or nothing if it was made without a file."""
    try:
        return [ast.parse(textwrap.dedent(inspect.getsource(thing)))]
    except (OSError, TypeError, SyntaxError):  # a notebook, a compiled module, or generated code
        return []


def together(kind: type) -> list[tuple[str, ...]]:
    """Return the names of layers that the forward of a class calls with the same variable."""
    reader = _Calls()
    for tree in _parsed(inspect.unwrap(kind.forward)):  # type: ignore[attr-defined]
        reader.visit(tree)
    return list(reader.groups())


@final
class _Calls(ast.NodeVisitor):
    """The calls `self.name(variable)` of a function in the order in which they run."""

    def __init__(self) -> None:
        self.stores: Counter[str] = Counter()
        self.calls: dict[tuple[str, int], list[str]] = {}

    def visit_Assign(self, node: ast.Assign) -> None:
        """Visit the value before the names that it is assigned to."""
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)

    def visit_Name(self, node: ast.Name) -> None:
        """Note that a variable gets another value."""
        if isinstance(node.ctx, ast.Store):
            self.stores[node.id] += 1

    def visit_Call(self, node: ast.Call) -> None:
        """Note a call of a layer with one variable."""
        self.generic_visit(node)
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="self"), attr=layer),
                args=[ast.Name(id=variable)],
                keywords=[],
            ):
                self.calls.setdefault((variable, self.stores[variable]), []).append(layer)

    def groups(self) -> Iterator[tuple[str, ...]]:
        """Yield the names of each group; a layer that is called twice is in none."""
        often = Counter(name for names in self.calls.values() for name in names)
        for names in self.calls.values():
            once = tuple(name for name in names if often[name] == 1)
            if len(once) > 1:
                yield once
