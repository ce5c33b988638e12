"""What a component takes, read from its source text. Nothing here imports a component.

A command line or a recipe with a wrong name can be refused at once in this way. Each function
returns None if the source does not settle the question. Then the imported component decides.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from scionwood.recipes.source import (
    Definition,
    bindings_in,
    define,
    module_file,
    parsed,
    qualified,
    spelled,
)

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

PLAIN_DECORATORS = frozenset({"cache", "dataclass", "final", "lru_cache", "peft_method"})
"""Names of decorators that leave the signature alone."""

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
    if definition is None or not _is_plain(definition):
        return None
    if isinstance(definition.node, ast.FunctionDef):
        return _keywords(definition.node)
    own = _initialiser(definition.node)
    if own and not own.args.kwarg and "dataclass" not in _decorators(definition.node):
        return _keywords(own)
    ancestry = _ancestry(definition)
    for item in ancestry or ():  # the nearest `__init__` counts, and `@dataclass` writes one
        if "dataclass" in _decorators(item.node):
            return _fields(ancestry or [])
        if call := _initialiser(item.node):
            names = _keywords(call)
            passes_on = call.args.kwarg and any(item.name == TASK for item in ancestry or ())
            optimiser = define(OPTIMISER) if passes_on else None
            more = _annotated(optimiser.node) if optimiser else ()
            return (*names, *(name for name in more if name not in names))
    return None if ancestry is None else ()


def summary(reference: str) -> str | None:
    """Return the first sentence of a docstring without importing the component.

    Args:
        reference: `"module:attribute"`.

    Returns:
        The sentence, empty if there is no docstring; None if the source has no such definition.
    """
    definition = define(reference.replace(":", "."))
    return None if definition is None else first_sentence(ast.get_docstring(definition.node) or "")


def first_sentence(documentation: str) -> str:
    """Return the first sentence of a docstring on one line."""
    first = documentation.partition("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=\.)\s", first)[0]


def peft_methods() -> dict[str, str]:
    """Return the config class of each method of peft as `"module:attribute"`, by the method's name.

    Prompt methods for language models are among them.

    Returns:
        The references; empty if this version of peft is laid out in another way.
    """
    root = module_file("peft")
    folders = sorted(root.parent.glob("tuners/*/__init__.py")) if root else []
    return dict(pair for file in folders for pair in _registered(file))


@cache
def _registered(file: Path) -> list[tuple[str, str]]:
    pairs = []
    for node in ast.walk(parsed(file) or ast.Module([], [])):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "register_peft_method":
            words = {word.arg: word.value for word in node.keywords}
            name, config = words.get("name"), words.get("config_cls")
            if isinstance(name, ast.Constant) and isinstance(config, ast.Name):
                pairs.append((str(name.value), f"peft.tuners.{file.parent.name}:{config.id}"))
    return pairs


def _ancestry(definition: Definition) -> list[Definition] | None:
    """Return a class and its bases, nearest first; None if they do not settle the signature."""
    node = definition.node
    if definition.name == TASK:
        return [definition]
    if not isinstance(node, ast.ClassDef) or not _is_plain(definition):
        return None
    bases = [qualified(definition.module, base) for base in node.bases]
    if not _initialiser(node) and len([base for base in bases if base not in MIXINS]) > 1:
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
    """Return whether nothing but its own parameters or fields settles what it takes."""
    node = definition.node
    is_plain = PLAIN_DECORATORS.issuperset(_decorators(node))
    if not is_plain or isinstance(node, ast.FunctionDef):
        return is_plain
    names, own = bindings_in(node), _initialiser(node)
    return (
        not node.keywords  # a metaclass, or options of a base
        and not _CHANGES & names.keys()
        and names.get("__init__", []) == ([own] if own else [])
    )


def _fields(ancestry: list[Definition]) -> tuple[str, ...] | None:
    """Return the parameters of the `__init__` that `@dataclass` writes, those of bases first."""
    names: dict[str, bool] = {}
    for item in reversed(ancestry):
        if _initialiser(item.node):
            return None
        if (decorator := _decorators(item.node).get("dataclass")) is None:
            continue
        if _init_option(decorator) is not None:
            return None
        for name, statement in _annotated(item.node).items():
            names[name] = _init_option(statement.value) is not False
    return tuple(name for name, is_given in names.items() if is_given and name not in PEFT_OWN)


def _init_option(call: ast.expr | None) -> object:
    """Return the value of `init=` in a call, such as that of `field`; None if it has none."""
    words = call.keywords if isinstance(call, ast.Call) else []
    return next((getattr(w.value, "value", "unknown") for w in words if w.arg == "init"), None)


def _initialiser(node: ast.AST) -> ast.FunctionDef | None:
    for item in getattr(node, "body", []):
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            return None if item.decorator_list else item
    return None


def _annotated(node: ast.AST) -> dict[str, ast.AnnAssign]:
    """Return the annotated names of a class, without class variables."""
    return {
        item.target.id: item
        for item in getattr(node, "body", [])
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        if not re.search("ClassVar|KW_ONLY", ast.unparse(item.annotation))
    }


def _keywords(function: ast.FunctionDef) -> tuple[str, ...]:
    return tuple(argument.arg for argument in function.args.kwonlyargs)


def _decorators(node: ast.FunctionDef | ast.ClassDef) -> dict[str, ast.expr]:
    """Return the decorators by their last names, `lru_cache` of `@functools.lru_cache(None)`."""
    return {spelled(item).rpartition(".")[2]: item for item in node.decorator_list}
