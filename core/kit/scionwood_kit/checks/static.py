"""Checks that do not run the plugin: imports, names, references, kinds."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from scionwood.errors import PluginError
from scionwood.files.reader import Reader
from scionwood.plugins.discovery import verbs
from scionwood.plugins.plugin import API, GROUP, Plugin
from scionwood.recipes.recipe_file import recipe_folder
from scionwood_kit.child import last_line, run_python
from scionwood_kit.rules import NothingToCheck, Problem, check

_SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_PROBE = """
import importlib, json, sys
before = set(sys.modules)
for name in sys.argv[1:]:
    importlib.import_module(name)
print("\\n" + json.dumps(sorted(set(sys.modules) - before)))
"""


@check
def check_light_import(plugin: Plugin) -> Iterator[Problem]:
    """The module that holds the record imports only the standard library and scionwood.

    Then `scionwood plugins` answers at once, and works with a broken numerical library too.
    """
    homes = _homes(plugin)
    if not homes:
        raise NothingToCheck("it is not installed and refers to no module")
    code, out, err = run_python(["-c", _PROBE, *homes])
    if code:
        rule = "the module that holds the record can be imported alone"
        yield Problem(f"import {', '.join(homes)}", rule, f"It ended with: {last_line(err)}")
        return
    own_packages = {name.partition(".")[0] for name in homes} | {"scionwood", "scionwood_sandbox"}
    tops = {name.partition(".")[0] for name in json.loads(out.rstrip().rpartition("\n")[2])}
    for name in sorted(tops - own_packages - sys.stdlib_module_names):
        yield Problem(
            f"import {', '.join(homes)} also imports {name}",
            "a record imports the standard library and scionwood.Plugin only",
            f"Move the code that needs {name} to the module that a component's reference names",
        )


@check
def check_names(plugin: Plugin) -> Iterator[Problem]:
    """Names are snake_case and no command of the core, the summary is one line, the API fits.

    A component is called `plugin/name` in recipes and on the command line.
    """
    entries = [("plugin", plugin.name), *((kind, name) for kind, name, _ in plugin.components())]
    for kind, name in [*entries, *(("recipes", name) for name in recipe_names(plugin))]:
        if not _SNAKE.fullmatch(name):
            yield Problem(f"{kind} {name!r}", "a name is lower snake_case", "Rename it")
    if plugin.name in verbs():
        rule = f"the command `scionwood {plugin.name}` of the core would hide it"
        yield Problem(f"plugin {plugin.name!r}", rule, "Rename it")
    if not plugin.summary.strip() or "\n" in plugin.summary:
        rule = "one line that says what the plugin is for"
        yield Problem(f"summary {plugin.summary!r}", rule, "Write it in the record")
    if plugin.api != API:
        yield Problem(f"api {plugin.api}", f"the core speaks {API}", "Upgrade the older of the two")


@check
def check_references_import(plugin: Plugin) -> Iterator[Problem]:
    """Every `module:attribute` can be imported, and so can the package of recipes."""
    for kind, name, reference in plugin.components():
        if not _REFERENCE.fullmatch(reference):
            rule = "a reference is written 'package.module:attribute'"
            yield Problem(f"{kind} {name!r}: {reference!r}", rule, "Correct it in the record")
            continue
        try:
            component(reference)
        except Exception as error:  # code of others at import may raise anything
            what = f"it can be imported ({type(error).__name__}: {error})"
            remedy = "Correct the reference, or name the missing package under dependencies"
            yield Problem(f"{kind} {name!r}: {reference}", what, remedy)
    if plugin.bases is not None:
        try:
            component(f"{plugin.bases}:BASES")
        except Exception as error:  # as above
            rule = f"a module with a mapping BASES ({type(error).__name__}: {error})"
            yield Problem(f"bases {plugin.bases!r}", rule, "Correct the record")
    if plugin.recipes is not None and not recipe_names(plugin):
        rule = "a package that holds at least one .yaml file"
        yield Problem(f"recipes {plugin.recipes!r}", rule, "Add a recipe, or leave `recipes` out")


@check
def check_kinds(plugin: Plugin) -> Iterator[Problem]:
    """Each component is what its kind requires: a Reader, a Task, a PeftConfig, a callable."""
    for kind, name, reference in plugin.components():
        wrong = _wrong_kind(kind, component(reference))
        if wrong:
            remedy = f"See scionwood.Plugin for what `{kind}` holds"
            yield Problem(f"{kind} {name!r} ({reference})", wrong, remedy)


def component(reference: str) -> Any:
    """Import the object that `"module:attribute"` names."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


def recipe_names(plugin: Plugin) -> list[str]:
    """Return the names of a plugin's recipes, without reading them."""
    try:
        folder = recipe_folder(plugin)
    except (ModuleNotFoundError, PluginError):
        return []
    return sorted(path.stem for path in folder.glob("*.yaml")) if folder else []


def _homes(plugin: Plugin) -> list[str]:
    # If the plugin is installed, its entry point names the module that holds the record.
    points = [point.module for point in entry_points(group=GROUP, name=plugin.name)]
    tops = [reference.partition(":")[0] for _, _, reference in plugin.components()]
    return sorted(set(points or (module.partition(".")[0] for module in tops)))


def _wrong_kind(kind: str, part: Any) -> str:
    from peft import PeftConfig

    from scionwood.training import Task

    bases = {"readers": Reader, "tasks": Task, "adapters": PeftConfig}
    if kind in bases:
        base = bases[kind]
        if not (inspect.isclass(part) and issubclass(part, base)):
            return f"a component under `{kind}` is a subclass of {base.__name__}"
        missing = sorted(getattr(part, "__abstractmethods__", ()))
        return f"it must be concrete, but lacks {', '.join(missing)}" if missing else ""
    if kind == "commands" and not inspect.isfunction(part):
        return "a component under `commands` is a function"
    return "" if callable(part) else f"a component under `{kind}` can be called"
