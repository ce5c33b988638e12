"""What a component takes, read from its source text. Nothing here imports a component.

A command line or a recipe with a wrong name can be refused at once in this way. Each function
returns None if the source does not settle the question. Then the imported component decides.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec, resolve_name
from pathlib import Path

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

HOPS = 20
"""The most imports that are followed for one name; more of them are a circle."""

Node = ast.FunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Definition:
    """A class or a function at the top level of a module."""

    module: str
    node: Node

    @property
    def name(self) -> str:
        """Return the dotted name of the place where it is defined."""
        return f"{self.module}.{self.node.name}"

    @property
    def decorators(self) -> dict[str, ast.expr]:
        """Return the decorators by their last names, `cache` of `@functools.cache`."""
        return {_spelled(item).rpartition(".")[2]: item for item in self.node.decorator_list}

    @property
    def initialiser(self) -> ast.FunctionDef | None:
        """Return the `__init__` of a class."""
        functions = (item for item in self.node.body if isinstance(item, ast.FunctionDef))
        return next((item for item in functions if item.name == "__init__"), None)


def option_names(reference: str) -> tuple[str, ...] | None:
    """Return the names of a component's options without importing it.

    They are those that `scionwood.recipes.recipe.options_of` returns for the imported component:
    keyword-only parameters, or the fields of a dataclass.

    Args:
        reference: `"module:attribute"`.

    Returns:
        The names; None if the source does not say them with certainty.
    """
    definition = _define(reference.replace(":", "."))
    ancestry = _ancestry(definition) if definition else None
    for item in ancestry or ():  # the nearest `__init__` counts, and `@dataclass` writes one
        if "dataclass" in item.decorators:
            return _fields(ancestry or [])
        function = item.node if isinstance(item.node, ast.FunctionDef) else item.initialiser
        if function is not None:
            names = tuple(argument.arg for argument in function.args.kwonlyargs)
            passes_on = function.args.kwarg and any(base.name == TASK for base in ancestry or ())
            optimiser = _define(OPTIMISER) if passes_on else None
            more = _annotated(optimiser.node) if optimiser else ()
            return (*names, *(name for name in more if name not in names))
    return None if ancestry is None else ()


def summary(reference: str) -> str | None:
    """Return the first sentence of a docstring without importing the component.

    Returns:
        The sentence, empty if there is no docstring; None if the source has no such definition.
    """
    definition = _define(reference.replace(":", "."))
    return None if definition is None else first_sentence(ast.get_docstring(definition.node) or "")


def first_sentence(documentation: str) -> str:
    """Return the first sentence of a docstring on one line."""
    first = documentation.partition("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=\.)\s", first)[0]


@lru_cache
def peft_methods() -> dict[str, str]:
    """Return the config class of each method of peft as `"module:attribute"`, by the method's name.

    Prompt methods for language models are among them. It is empty if this version of peft is laid
    out in another way.
    """
    root = _module_file("peft")
    methods = {}
    for file in sorted(root.parent.glob("tuners/*/__init__.py")) if root else ():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", "") == "register_peft_method"
            ):
                words = {word.arg: word.value for word in node.keywords}
                name, config = words.get("name"), words.get("config_cls")
                if isinstance(name, ast.Constant) and isinstance(config, ast.Name):
                    methods[str(name.value)] = f"peft.tuners.{file.parent.name}:{config.id}"
    return methods


def _define(dotted: str) -> Definition | None:
    """Return the class or function that `package.module.name` stands for.

    Imports are followed through modules, packages and the stub of a lazy package. What an
    assignment, a branch or a loop binds is not known.
    """
    for _ in range(HOPS):
        module, _, name = dotted.rpartition(".")
        bound = _bindings(module).get(name)
        if not isinstance(bound, str):
            return Definition(module, bound) if bound else None
        dotted = bound
    return None


def _module_file(module: str) -> Path | None:
    """Return the source file of a module; its parents are not imported, unlike in `find_spec`."""
    top, *parts = module.split(".")
    spec = find_spec(top) if top else None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        place = Path(folder, *parts)
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                return file
    origin = spec.origin if spec and not parts else None
    return Path(origin) if origin and origin.endswith(".py") else None


@lru_cache(maxsize=256)
def _bindings(module: str) -> dict[str, Node | str]:
    """Return the definitions at the top level of a module, and what it imports by dotted name."""
    file = _module_file(module)
    bound: dict[str, Node | str] = {}
    if file is None:
        return bound
    is_package = file.name == "__init__.py"
    package = module if is_package else module.rpartition(".")[0]
    # The stub lists what a lazy package imports at the first use.
    stub = file.with_suffix(".pyi")
    for source in (stub, file) if is_package and stub.is_file() else (file,):
        try:
            statements = ast.parse(source.read_text("utf-8")).body
        except (SyntaxError, ValueError):
            return {}
        for node in statements:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                bound[node.name] = node
            elif isinstance(node, ast.Import):
                bound |= {a.asname or a.name: a.name for a in node.names}
            elif isinstance(node, ast.ImportFrom):
                home = resolve_name("." * node.level + (node.module or ""), package)
                bound |= {a.asname or a.name: f"{home}.{a.name}" for a in node.names}
    return bound


def _ancestry(definition: Definition) -> list[Definition] | None:
    """Return a definition and its bases, nearest first; None if they do not settle the options.

    A decorator, a metaclass, or a class that changes its signature leaves them open.
    """
    node = definition.node
    if not PLAIN_DECORATORS.issuperset(definition.decorators):
        return None
    if isinstance(node, ast.FunctionDef) or definition.name == TASK:
        return [definition]
    own, bases = definition.initialiser, [_qualified(definition.module, b) for b in node.bases]
    text = ast.unparse(node)
    in_a_branch = not own and "def __init__" in text
    changed = re.search("def (__new__|__init_subclass__)|__signature__", text)
    if node.keywords or in_a_branch or changed or (own and own.decorator_list):
        return None
    if own and not own.args.kwarg and "dataclass" not in definition.decorators:
        return [definition]
    if not own and len([base for base in bases if base not in MIXINS]) > 1:
        return None  # which `__init__` is inherited depends on all of them
    definitions = [definition]
    for base in bases:
        if base in PLAIN_BASES:
            continue
        above = _define(base)
        ancestors = _ancestry(above) if above else None
        if ancestors is None:
            return None
        definitions += ancestors
    return definitions


def _fields(ancestry: list[Definition]) -> tuple[str, ...] | None:
    """Return the parameters of the `__init__` that `@dataclass` writes, those of bases first."""
    names: dict[str, bool] = {}
    for item in reversed(ancestry):
        if item.initialiser or _init_option(item.decorators.get("dataclass")) is not None:
            return None
        for name, statement in _annotated(item.node).items() if item.decorators else ():
            names[name] = _init_option(statement.value) is not False
    return tuple(name for name, is_given in names.items() if is_given and name not in PEFT_OWN)


def _init_option(call: ast.expr | None) -> object:
    """Return the value of `init=` in a call, such as that of `field`; None if it has none."""
    words = call.keywords if isinstance(call, ast.Call) else []
    return next((getattr(w.value, "value", "unknown") for w in words if w.arg == "init"), None)


def _annotated(node: Node) -> dict[str, ast.AnnAssign]:
    """Return the annotated names of a class, without class variables."""
    return {
        item.target.id: item
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        if not re.search("ClassVar|KW_ONLY", ast.unparse(item.annotation))
    }


def _qualified(module: str, expression: ast.expr) -> str:
    """Return the dotted name of an expression such as `L.LightningModule` in a module.

    Of a call or a subscript it is that of what is called or indexed.
    """
    head, dot, rest = _spelled(expression).partition(".")
    bound = _bindings(module).get(head, f"builtins.{head}")
    return (bound if isinstance(bound, str) else f"{module}.{head}") + dot + rest


def _spelled(expression: ast.expr) -> str:
    """Return the dotted name before a call or an index, `Generic` of `Generic[T]`; may be empty."""
    return re.split(r"[^\w.]", ast.unparse(expression), maxsplit=1)[0]
