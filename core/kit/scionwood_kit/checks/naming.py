"""Names of values are nouns of the field: a participle alone says nothing about what it holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from scionwood.plugins.plugin import Plugin
from scionwood_kit.checks.layout import packages_of
from scionwood_kit.rules import NothingToCheck, Problem, check

FILLERS = frozenset(
    [
        "found",
        "given",
        "held",
        "told",
        "said",
        "asked",
        "shown",
        "made",
        "known",
        "own",
        "whole",
        "kept",
        "each",
        "some",
        "every",
        "most",
        "rest",
        "around",
        "away",
        "lent",
        "seen",
        "named",
        "stated",
        "drawn",
        "taken",
        "judged",
        "worded",
        "counted",
        "turned",
        "ours",
        "theirs",
        "here",
        "there",
        "wanted",
        "meant",
        "earned",
        "done",
        "fresh",
        "parted",
        "alike",
        "beside",
        "further",
        "least",
    ]
)
"""Participles and filler words that may not be the whole name of something."""

FEW, SHARE = 12, 0.002
"""How many such names a package may have, or which share of all that it binds."""


@check
def check_filler_names(plugin: Plugin) -> Iterator[Problem]:
    """At most 2 of 1,000 names are a bare participle or a filler, such as `kept` or `each`.

    A reader cannot guess what `own` holds; `own_weights` or `sites` says it. Names of functions,
    classes, parameters and variables count, those of recipes' keys too. A package with few names
    may have twelve.
    """
    packages = packages_of(plugin)
    if not packages:
        raise NothingToCheck("it refers to no package")
    for package in packages:
        places = [place for path in sorted(package.rglob("*.py")) for place in names_of(path)]
        fillers = [(path, line, name) for path, line, name in places if is_filler(name)]
        if len(fillers) > max(FEW, SHARE * len(places)):
            rule = f"at most 2 of 1,000 names are fillers, and {len(fillers)} are"
            path, line, name = fillers[0]
            value = f"{path.relative_to(package.parent)}:{line} {name!r}, and others"
            yield Problem(value, rule, "Name them by what they hold")


def is_filler(name: str) -> bool:
    """Return whether a name, without leading underscores, is a filler word."""
    return name.lstrip("_").lower() in FILLERS


def names_of(path: Path) -> Iterator[tuple[Path, int, str]]:
    """Yield each name that a module binds, with its line."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield path, node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield path, node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield path, node.lineno, node.name
