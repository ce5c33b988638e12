"""Find plugins by entry point and load their components.

A fault in one plugin does not stop the others.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, requires
from itertools import groupby
from operator import attrgetter
from re import fullmatch
from typing import Any

from scionwood.errors import PluginError
from scionwood.plugins.plugin import API, FUNCTIONS, GROUP, KINDS, Plugin

VERBS = "scionwood.verbs"
"""The entry-point group of tools: each entry point is a command beside those of the core."""

DISABLE = "SCIONWOOD_DISABLE"
"""The environment variable that switches plugins off: names separated by commas, or `*`."""


@dataclass(frozen=True)
class PluginEntry:
    """A plugin as it is installed. A problem is a value, not an exception.

    Attributes:
        name: the name of the entry point.
        distributions: "name version" of each distribution that provides it.
        plugin: the record, or None if there is a problem.
        problem: what is wrong and what to do about it; empty if nothing is wrong.
    """

    name: str
    distributions: tuple[str, ...]
    plugin: Plugin | None = field(default=None, repr=False)
    problem: str = ""


class PluginList(list[PluginEntry]):
    """Plugins in a list that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        from scionwood.files.terminal import html_table

        rows = [
            (e.name, ", ".join(e.distributions), e.plugin.summary if e.plugin else e.problem)
            for e in self
        ]
        return html_table(("plugin", "distribution", "what it is for"), rows)


@cache
def entries() -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of the group by name, without those that are switched off."""
    points = sorted(entry_points(group=GROUP), key=attrgetter("name"))
    groups = groupby(points, attrgetter("name"))
    return {name: tuple(group) for name, group in groups if not is_off(name)}


@cache
def find(name: str) -> PluginEntry:
    """Find one plugin and import its record.

    A fault of the plugin, `SystemExit` included, becomes `PluginEntry.problem`. Only Ctrl-C is
    raised.

    Example:
        >>> entry = scionwood.find("seismic")
        >>> entry.plugin.name, entry.problem
        ('seismic', '')
    """
    points = entries().get(name, ())
    owners = tuple(sorted({owner(point) for point in points}))
    if not points:
        return PluginEntry(name, (), problem=_missing(name))
    if len({point.value for point in points}) > 1:
        problem = f"two distributions provide it ({', '.join(owners)}). Uninstall one"
        return PluginEntry(name, owners, problem=problem)
    try:
        plugin = points[0].load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # code of others at import may raise anything
        return PluginEntry(name, owners, problem=f"{type(error).__name__}: {error}")
    problem = _wrong(name, plugin)
    return PluginEntry(name, owners, None if problem else plugin, problem)


def plugins() -> PluginList:
    """Return every plugin that is installed and not switched off, by name, broken ones included.

    Example:
        >>> "seismic" in [entry.name for entry in authoring.plugins()]
        True
    """
    return PluginList(find(name) for name in entries())


def load(kind: str, name: str) -> Any:
    """Import one component: `load("tasks", "seismic/denoise")`.

    Args:
        kind: a key of `scionwood.plugins.plugin.KINDS`.
        name: `plugin/name`.

    Raises:
        PluginError: the plugin or the component is missing or broken.

    Example:
        >>> scionwood.load("readers", "seismic/segy").suffixes
        ('.sgy', '.segy')
    """
    return resolve(name, reference(kind, name))


def reference(kind: str, name: str) -> str:
    """Return `"module:attribute"` of a component, without importing it."""
    owner, slash, part = name.partition("/")
    if kind not in KINDS:
        raise PluginError(f"{kind!r}", "no such kind of component", f"Kinds: {', '.join(KINDS)}")
    word = KINDS[kind]
    if not slash:
        raise PluginError(f"{name!r}", f"a {word} is named plugin/name", _suggest(kind, name))
    table: Mapping[str, str] = getattr(record(owner), kind)
    if part in table:
        return table[part]
    remedy = did_you_mean(part, table) or f"It has: {', '.join(table) or 'none'}"
    raise PluginError(f"plugin {owner!r}", f"no {word} {part!r}", remedy)


def names_of(kind: str) -> list[str]:
    """Return `plugin/name` of every component of a kind."""
    records = [entry.plugin for entry in plugins() if entry.plugin]
    return [f"{record.name}/{part}" for record in records for part in getattr(record, kind)]


def verbs() -> dict[str, str]:
    """Return the commands at the root by name: those of the core, which hide no other, and tools'.

    Reading them imports nothing.
    """
    return {**_tools(), **FUNCTIONS}


@cache
def _tools() -> dict[str, str]:
    points = entry_points(group=VERBS)
    return {point.name: point.value for point in sorted(points, key=owner, reverse=True)}


def commands() -> dict[str, str]:
    """Return every command as `"module:function"` by its words, without importing one.

    Example:
        >>> authoring.commands()["seismic denoise"]
        'scionwood_seismic.verbs.denoise:denoise'
    """
    table = verbs()
    for entry in plugins():
        for name, reference in (entry.plugin.commands if entry.plugin else {}).items():
            table[f"{entry.name} {name.replace('_', '-')}"] = reference
    return table


def record(name: str) -> Plugin:
    """Return the record of a plugin."""
    entry = find(name)
    if entry.plugin is None:
        raise PluginError(f"plugin {name!r}", entry.problem)
    return entry.plugin


def resolve(label: str, reference: str) -> Any:
    """Import the object that `"module:attribute"` names.

    Args:
        label: the name of the component, for the error message.
        reference: the module and the attribute.

    Raises:
        PluginError: the import failed; the message names `label` and the error of the import.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        rule = f"cannot import {reference!r} ({type(error).__name__}: {error})"
        remedy = "Reinstall the plugin with its dependencies, or fix the reference"
        raise PluginError(label, rule, remedy) from error


def refresh() -> None:
    """Look for plugins again, so that one installed since the start is seen (in a notebook).

    Example:
        >>> authoring.refresh()  # after `pip install` in the same notebook
        >>> scionwood.find("seismic").problem
        ''
    """
    entries.cache_clear()
    _tools.cache_clear()
    find.cache_clear()


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """Return `Did you mean 'denoise'?`, or an empty text if no known word is close."""
    close = get_close_matches(word, list(candidates), n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else ""


def requirements() -> list[str]:
    """Return the requirements of the core with their extras, as its metadata states them."""
    try:
        return requires("scionwood") or []
    except PackageNotFoundError:
        return []


def extras() -> tuple[str, ...]:
    """Return the plugins that the extras of the core offer, read from its metadata."""
    pattern = r"""scionwood-([\w-]+)\s*[=<>!~(].*extra\s*==\s*["'](.+)["'].*"""
    matches = (fullmatch(pattern, line) for line in requirements())
    return tuple(sorted({m[1].replace("-", "_") for m in matches if m and m[1] == m[2]}))


def install_line(name: str) -> str:
    """Return the command that installs a plugin out of a clone of Scionwood."""
    return f"pip install -e plugins/{name}; see docs/install.md"


def owner(point: EntryPoint) -> str:
    """Return "name version" of the distribution that has an entry point."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


def is_off(name: str) -> bool:
    """Return whether `SCIONWOOD_DISABLE` switches a plugin off."""
    off = {word.strip() for word in os.environ.get(DISABLE, "").split(",")}
    return name in off or "*" in off


def _missing(name: str) -> str:
    if is_off(name):
        return f"switched off by {DISABLE}. Unset it to use the plugin"
    installed = f"(installed: {', '.join(entries()) or 'none'})"
    if name in extras():
        return f"not installed {installed}. In a clone of Scionwood: {install_line(name)}"
    return f"unknown {installed}. {did_you_mean(name, {*entries(), *extras()})}".strip()


def _wrong(name: str, plugin: object) -> str:
    if not isinstance(plugin, Plugin):
        kind = type(plugin).__name__
        return f"its entry point is a {kind}, not a scionwood.Plugin. Ask its authors"
    if plugin.api > API:
        return f"speaks plugin API {plugin.api}, the core {API}. Take a newer Scionwood"
    if plugin.api < API:
        return f"speaks plugin API {plugin.api}, the core {API}. Upgrade the plugin"
    if name in verbs():
        return f"it is named like the command `scionwood {name}`. Ask its authors for another name"
    if plugin.name != name:
        return f"its record is named {plugin.name!r}, unlike its entry point. Ask its authors"
    return ""


def _suggest(kind: str, name: str) -> str:
    full_names = names_of(kind)
    same = [f"Did you mean {full!r}?" for full in full_names if full.endswith(f"/{name}")]
    return did_you_mean(name, full_names) or next(iter(same), "")
