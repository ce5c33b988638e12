"""Examples: a reader who finds a name also finds lines to copy, and a test runs them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from scionwood.plugins.plugin import Plugin
from scionwood_kit.rules import NothingToCheck, Problem, check

_RULE = "a public name of a plugin has an example in its docstring"
_REMEDY = "Write `Example:` and lines that start with `>>>`, and run them with doctest"


@check
def check_examples(plugin: Plugin) -> Iterator[Problem]:
    """Every public function and class of a plugin has an example in its docstring.

    Public are the names that the stub `__init__.pyi` of the package lists, or those of `verbs`.
    Readers copy an example before they read anything else. An example has lines that start with
    `>>>`, so that doctest can run it. Public names of `verbs` are those of `__all__`, or without it
    those that the module defines and that do not start with an underscore. For plugins outside the
    Scionwood repository this is advice.
    """
    module = _interface(plugin)
    if module is None:
        raise NothingToCheck("its package lists no public names, and it has no module `verbs`")
    for name in _public(module):
        if ">>>" not in _doc(module, name):
            yield Problem(f"{module.__name__}.{name}", _RULE, _REMEDY, advice=True)


def _interface(plugin: Plugin) -> ModuleType | None:
    tops = {reference.partition(":")[0].partition(".")[0] for *_, reference in plugin.components()}
    packages = [top for top in sorted(tops) if _is_package(top)]
    roots = (import_module(top) for top in packages)
    listed = next((root for root in roots if getattr(root, "__all__", None)), None)
    names = (f"{top}.verbs" for top in packages)
    return listed or next((import_module(name) for name in names if find_spec(name)), None)


def _is_package(top: str) -> bool:
    spec = find_spec(top)
    return spec is not None and spec.submodule_search_locations is not None


def _public(module: ModuleType) -> list[str]:
    listed = getattr(module, "__all__", None)
    names = listed if listed is not None else [name for name in vars(module) if name[0] != "_"]
    things = {name: getattr(module, name) for name in names}
    return [
        name
        for name, thing in things.items()
        if (inspect.isclass(thing) or inspect.isroutine(thing))
        and (listed is not None or thing.__module__ == module.__name__)
    ]


def _doc(module: ModuleType, name: str) -> str:
    # Not inspect.getdoc, which returns the docstring of a base class.
    return getattr(module, name).__doc__ or ""
