"""Signatures and docstrings are complete: they are the schema and the help of recipes."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from scionwood.plugins.plugin import Plugin
from scionwood_kit.checks.static import component
from scionwood_kit.rules import NothingToCheck, Problem, check

_LABELS = {
    "Shapes": r"shapes?",
    "Units": r"units?",
    "Raises": r"raises|errors?",
    "Source": r"sources?|references?",
    "Args": r"args|arguments|attributes|keyword args",
}
_REQUIRED = {
    "backbones": ("Shapes", "Units", "Source"),
    "readers": ("Shapes", "Units", "Raises", "Source"),
    "data": ("Shapes", "Units", "Source"),
    "tasks": ("Shapes", "Units", "Source"),
    "adapters": ("Shapes", "Source"),
    "commands": ("Raises",),
    "callbacks": (),
    "loggers": (),
    "optimizers": ("Source",),
    "schedules": ("Source",),
    "strategies": (),
    "probes": ("Units",),
    "services": ("Raises",),
}
_POSITIONAL = {
    "backbones": 0,
    "data": 0,
    "readers": 1,
    "tasks": 1,
    "callbacks": 0,
    "loggers": 1,
    "optimizers": 2,
    "schedules": 2,
    "strategies": 0,
    "probes": 2,
    "services": 3,
}
_INJECTED = {
    "backbones": "nothing",
    "data": "nothing",
    "readers": "path",
    "tasks": "backbone",
    "callbacks": "nothing",
    "loggers": "folder",
    "optimizers": "groups and backbone",
    "schedules": "step and total",
    "strategies": "nothing",
    "probes": "task and folder",
    "services": "loaded, source and out",
}


@check
def check_docstrings(plugin: Plugin) -> Iterator[Problem]:
    """A docstring has a summary line and labelled shapes, units, errors and source.

    A label is at the start of a line, with text after it or indented below it: `Shapes:`,
    `Units:`, `Raises:`, `Source:` (the paper, its equation, the definition of the format). The
    message says which of them a kind needs. `Raises:` is also required if the body of the
    component has a raise statement. For plugins outside the Scionwood repository a missing label is
    advice, and a missing docstring is an error, because the docstring is the help of the command
    line.
    """
    for kind, name, part in _components(plugin):
        doc = _own_doc(part)
        where = f"{kind} {name!r}"
        if not doc:
            yield Problem(where, "a component has a docstring", "Say in one line what it is")
            continue
        if not doc.splitlines()[0].strip():
            yield Problem(where, "its docstring starts with a summary line", "Write it first")
        required = set(_REQUIRED[kind]) | ({"Raises"} if _raises(part) else set())
        for label in sorted(label for label in required if not section(doc, label)):
            rule = f"its docstring has `{label}:` with text"
            remedy = f"Write `{label}: ...` on a line of its own"
            yield Problem(where, rule, remedy, advice=True)


@check
def check_signatures(plugin: Plugin) -> Iterator[Problem]:
    """The core passes the positional parameters; keyword-only parameters are configuration.

    Each option is annotated, has a default (a command may demand one), and is described under
    `Args:`. `*args` and `**kwargs` would accept any key of a recipe, so they are refused.
    """
    for kind, name, part in _components(plugin):
        where = f"{kind} {name!r}"
        if kind == "adapters":
            yield from _fields(where, part)
            continue
        parameters = list(inspect.signature(part).parameters.values())
        yield from _injected(where, kind, parameters)
        if kind in ("commands", "services"):
            yield from _words(where, kind, part)
            continue
        for parameter in parameters:
            if parameter.kind is parameter.KEYWORD_ONLY:
                yield from _option(where, kind, parameter, described(part))


def section(doc: str, label: str) -> str:
    """Return the text under a label of a docstring; empty if the label is missing.

    Args:
        doc: a docstring without its indentation.
        label: a key of the table of labels, such as "Shapes".
    """
    lines = doc.splitlines()
    heads = [re.match(rf"(?:{_LABELS[label]}):\s*(.*)$", line, re.IGNORECASE) for line in lines]
    texts = []
    for number, head in enumerate(heads):
        if head is None:
            continue
        body = [head[1]]
        for line in lines[number + 1 :]:
            if line and not line.startswith(" "):
                break
            body.append(line)
        texts.append("\n".join(body))
    return textwrap.dedent("\n".join(texts)).strip("\n ")


def described(part: Any) -> set[str]:
    """Return the parameters that a function, or a class with its bases, describes under `Args:`."""
    owners = inspect.getmro(part) if inspect.isclass(part) else (part,)
    docs = [_own_doc(owner) for owner in owners if owner is not object]
    names = re.findall(
        r"^\s*(\w+(?:\s*,\s*\w+)*)\s*(?:\([^)]*\))?:\s*\S",
        "\n".join(section(doc, "Args") for doc in docs),
        re.MULTILINE,
    )
    return {name.strip() for group in names for name in group.split(",")}


def _components(plugin: Plugin) -> list[tuple[str, str, Any]]:
    parts = [(kind, name, component(reference)) for kind, name, reference in plugin.components()]
    if not parts:
        raise NothingToCheck("it has no components")
    return parts


def _own_doc(part: Any) -> str:
    # Not inspect.getdoc, which returns the docstring of the base class.
    constructor = part.__dict__.get("__init__") if inspect.isclass(part) else None
    docs = [part.__doc__, constructor.__doc__ if constructor else None]
    return "\n\n".join(inspect.cleandoc(doc) for doc in docs if doc)


def _raises(part: Any) -> bool:
    function = part.__dict__.get("__init__") if inspect.isclass(part) else part
    if not inspect.isfunction(function) or function.__code__.co_filename == "<string>":
        return False  # inherited, or the constructor of a dataclass, which has no source
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(node, ast.Raise) for node in ast.walk(tree))


def _injected(where: str, kind: str, parameters: list[inspect.Parameter]) -> Iterator[Problem]:
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            rule = "every parameter is named, so that a misspelt key is refused"
            yield Problem(f"{where}: {parameter}", rule, "Name the parameters one by one")
    if kind in _POSITIONAL:
        names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        if len(names) != _POSITIONAL[kind]:
            rule = f"the core passes {_INJECTED[kind]} by position"
            remedy = "Put a `*` before the parameters that are configuration"
            yield Problem(f"{where}: ({', '.join(names)})", rule, remedy)


def _option(
    where: str, kind: str, parameter: inspect.Parameter, explained: set[str]
) -> Iterator[Problem]:
    name = f"{where}: {parameter.name}"
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return
    if parameter.annotation is parameter.empty:
        yield Problem(name, "a parameter has a type", "Annotate it: the recipe is checked by it")
    if parameter.default is parameter.empty and kind != "commands":
        yield Problem(name, "an option has a default", "Give it one that works offline")
    if parameter.name not in explained:
        rule = "a parameter is described under `Args:`"
        yield Problem(name, rule, f"Write `{parameter.name}: ...`, with its unit if it has one")


def _words(where: str, kind: str, function: Any) -> Iterator[Problem]:
    """Check the parameters of a function, and the fields of the classes of its options."""
    from scionwood.cli.words import command_words

    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.annotation is parameter.empty:
            rule = "a parameter has a type"
            yield Problem(f"{where}: {name}", rule, "Annotate it: the line is checked by it")
    passed = _POSITIONAL.get(kind, 0)
    for name, word in list(command_words(function).items())[passed:]:
        if word.default is inspect.Parameter.empty and kind != "commands":
            rule = "an option has a default"
            yield Problem(f"{where}: {name}", rule, "Give it one that works offline")
        if not word.help:
            rule = "a parameter is described under `Args:`, a field under `Attributes:`"
            yield Problem(f"{where}: {name}", rule, f"Write `{name}: ...`, with its unit if any")


def _fields(where: str, config: Any) -> Iterator[Problem]:
    from peft import PeftConfig

    inherited = {field.name for field in dataclasses.fields(PeftConfig)} | {"target_modules"}
    for field in dataclasses.fields(config):
        if field.name in inherited or not field.init:
            continue
        missing = dataclasses.MISSING
        if field.default is missing and field.default_factory is missing:
            yield Problem(f"{where}: {field.name}", "an option has a default", "Give it one")
        if field.name not in described(config) and not field.metadata.get("help"):
            rule = "a field is described under `Args:` or by its metadata's `help`"
            yield Problem(f"{where}: {field.name}", rule, f"Write `{field.name}: ...`")
