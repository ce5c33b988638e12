"""Read the names of a component's options from its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scionwood.recipes.signatures.source import Definition, define, qualified

TASK = "scionwood.training.task.Task"
OPTIMISER = "scionwood.training.task.Optimiser"
"""`Task` names these options in the signature of a subclass that passes `**optimiser` on."""

MIXINS = frozenset({"abc.ABC", "builtins.object", "typing.Generic"})
"""Bases that have no `__init__`."""

PLAIN_BASES = MIXINS | {
    "lightning.LightningDataModule",
    "lightning.LightningModule",
    "lightning.pytorch.LightningDataModule",
    "lightning.pytorch.LightningModule",
    "torch.nn.Module",
    "transformers.utils.PushToHubMixin",
}
"""Bases from elsewhere that have no options, and leave the signature of a subclass alone."""

PLAIN_DECORATORS = frozenset(
    {
        "dataclasses.dataclass",
        "functools.cache",
        "functools.lru_cache",
        "scionwood.adapters.peft_types.peft_method",
        "typing.final",
    }
)
"""Decorators that leave the signature alone."""

PEFT_OWN = frozenset(
    {
        "target_modules",
        "peft_type",
        "task_type",
        "auto_mapping",
        "peft_version",
        "base_model_name_or_path",
        "revision",
        "inference_mode",
    }
)
"""Fields of a dataclass that peft fills in, or that `targets` of a recipe replaces."""

_CHANGES = {"__new__", "__init_subclass__", "__signature__"}


def option_names(reference: str) -> tuple[str, ...] | None:
    """Return the names of a component's options without importing it.

    They are those that `scionwood.recipes.recipe.options_of` returns for the imported component:
    keyword-only parameters, or the fields of a dataclass.

    Args:
        reference: `"module:attribute"`.

    Returns:
        The names; None if the source does not say them with certainty.

    Example:
        option_names("scionwood_toy.parts:Regress")
    """
    definition = define(reference.replace(":", "."))
    if definition is None or not _is_plainly_decorated(definition):
        return None
    if isinstance(definition.node, ast.FunctionDef):
        return tuple(_keywords(definition.node))
    ancestry = _ancestry(definition)
    if ancestry is None:
        return None
    for item in ancestry:  # the nearest `__init__` counts, and `@dataclass` writes one
        if _decorator(item, "dataclasses.dataclass"):
            return _fields(ancestry)
        if _has_initialiser(item.node):
            break
    return _parameters(ancestry)


def _ancestry(definition: Definition) -> list[Definition] | None:
    """Return a class and its bases, nearest first; None if they do not settle the signature."""
    node = definition.node
    if definition.name == TASK:
        return [definition]
    if not isinstance(node, ast.ClassDef) or not _is_plain(definition):
        return None
    bases = [qualified(definition.module, base) for base in node.bases]
    if not _has_initialiser(node) and len([base for base in bases if base not in MIXINS]) > 1:
        return None  # which `__init__` is inherited depends on all of them
    definitions = [definition]
    for base in bases:
        if base in PLAIN_BASES:
            continue
        above = define(base) if base else None
        ancestors = _ancestry(above) if above else None
        if ancestors is None:
            return None
        definitions += ancestors
    return definitions


def _is_plain(definition: Definition) -> bool:
    node = definition.node
    members = _members(node)
    initialisers = [item for item in node.body if _is_initialiser(item)]
    return (
        _is_plainly_decorated(definition)
        and not getattr(node, "keywords", [])  # a metaclass, or options of a base
        and not _CHANGES & set(members)
        and members.count("__init__") == len(initialisers) <= 1
    )


def _parameters(ancestry: list[Definition]) -> tuple[str, ...] | None:
    owner = next((item for item in ancestry if _has_initialiser(item.node)), None)
    if owner is None:
        return ()
    call = next(
        item
        for item in owner.node.body
        if isinstance(item, ast.FunctionDef) and item.name == "__init__"
    )
    names = list(_keywords(call))
    if call.args.kwarg and any(item.name == TASK for item in ancestry):
        optimiser = define(OPTIMISER)
        if optimiser is None:
            return None
        names += [name for name in _annotated(optimiser.node) if name not in names]
    return tuple(names)


def _fields(ancestry: list[Definition]) -> tuple[str, ...] | None:
    """Return the parameters of the `__init__` that `@dataclass` writes, those of bases first."""
    names: dict[str, bool] = {}
    for item in reversed(ancestry):
        if _has_initialiser(item.node):
            return None
        decorator = _decorator(item, "dataclasses.dataclass")
        if decorator is None:
            continue
        if isinstance(decorator, ast.Call) and any(w.arg == "init" for w in decorator.keywords):
            return None
        for name, statement in _annotated(item.node).items():
            names[name] = not _is_left_out(statement)
    return tuple(name for name, is_given in names.items() if is_given and name not in PEFT_OWN)


def _is_initialiser(statement: ast.stmt) -> bool:
    is_init = isinstance(statement, ast.FunctionDef) and statement.name == "__init__"
    return is_init and not getattr(statement, "decorator_list", [])


def _has_initialiser(node: ast.AST) -> bool:
    return any(_is_initialiser(item) for item in getattr(node, "body", []))


def _members(node: ast.AST) -> list[str]:
    """Return the names that the body of a class binds, in blocks too."""
    names = []
    for item in ast.walk(node):
        if isinstance(item, ast.FunctionDef) and item is not node:
            names.append(item.name)
        elif isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store):
            names.append(item.id)
    return names


def _annotated(node: ast.AST) -> dict[str, ast.AnnAssign]:
    """Return the annotated names of a class, without class variables."""
    return {
        item.target.id: item
        for item in getattr(node, "body", [])
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        if not re.search("ClassVar|KW_ONLY", ast.unparse(item.annotation))
    }


def _is_left_out(statement: ast.AnnAssign) -> bool:
    """Return whether a field says `init=False`, or calls something other than `field`."""
    call = statement.value
    return isinstance(call, ast.Call) and any(
        word.arg == "init" and getattr(word.value, "value", None) is False for word in call.keywords
    )


def _keywords(function: ast.FunctionDef) -> Iterator[str]:
    return (argument.arg for argument in function.args.kwonlyargs)


def _is_plainly_decorated(definition: Definition) -> bool:
    return all(
        _canonical(definition.module, decorator) in PLAIN_DECORATORS
        for decorator in definition.node.decorator_list
    )


def _decorator(definition: Definition, name: str) -> ast.expr | None:
    decorators = definition.node.decorator_list
    return next((d for d in decorators if _canonical(definition.module, d) == name), None)


def _canonical(module: str, expression: ast.expr) -> str | None:
    name = qualified(module, expression)
    if name is None or name in PLAIN_DECORATORS:
        return name
    definition = define(name)
    return definition.name if definition else None
