"""Find plugins by entry point and load their components; a fault in one stops no other."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, requires
from re import fullmatch
from typing import Any

from scionwood.errors import PluginError
from scionwood.plugin import API, GROUP, KINDS, Plugin

DISABLE = "SCIONWOOD_DISABLE"
"""The environment variable that switches plugins off: their names, by comma, or `*` for all."""


@dataclass(frozen=True)
class Found:
    """What discovery knows of one plugin; a problem is a value, not an exception.

    Attributes:
        name: the entry point's name.
        distributions: "name version" of each distribution that provides it.
        plugin: the record, or None where there is a problem.
        problem: what is wrong and what to do about it; empty where nothing is.
    """

    name: str
    distributions: tuple[str, ...]
    plugin: Plugin | None = None
    problem: str = ""


@cache
def entries() -> dict[str, tuple[EntryPoint, ...]]:
    """Every entry point of the group by name, less those that `SCIONWOOD_DISABLE` names."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in entry_points(group=GROUP):
        if not _is_off(entry.name):
            found[entry.name] = (*found.get(entry.name, ()), entry)
    return dict(sorted(found.items()))


@cache
def find(name: str) -> Found:
    """Find one plugin and import its record.

    Never raises for what a plugin does wrong, `SystemExit` included; only Ctrl-C passes through.
    """
    points = entries().get(name, ())
    owners = tuple(sorted({owner(point) for point in points}))
    if not points:
        return Found(name, (), problem=_missing(name))
    if len({point.value for point in points}) > 1:
        return Found(
            name,
            owners,
            problem=f"two distributions provide it ({', '.join(owners)}). Uninstall one",
        )
    try:
        plugin = points[0].load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # third-party code at import: anything can happen, and is named
        return Found(name, owners, problem=f"{type(error).__name__}: {error}")
    return (
        Found(name, owners, None, problem)
        if (problem := _wrong(name, plugin))
        else Found(name, owners, plugin)
    )


def plugins() -> list[Found]:
    """Every plugin that is installed and not switched off, the broken ones too, by name."""
    return [find(name) for name in entries()]


def load(kind: str, reference: str) -> Any:
    """Import one component: `load("tasks", "seismic/denoise")`.

    Args:
        kind: a key of `scionwood.plugin.KINDS`.
        reference: `plugin/name`.

    Raises:
        PluginError: the plugin or the component is missing or broken.
    """
    owner, slash, name = reference.partition("/")
    if not slash:
        raise PluginError(
            f"{reference!r}", f"a {KINDS[kind]} is named plugin/name", _suggest(kind, reference)
        )
    plugin = record(owner)
    table = getattr(plugin, kind)
    if name not in table:
        offered = f"It has: {', '.join(table) or 'none'}"
        raise PluginError(
            f"plugin {owner!r}", f"no {KINDS[kind]} {name!r}", did_you_mean(name, table) or offered
        )
    return resolve(reference, table[name])


def record(name: str) -> Plugin:
    """The record of a plugin that must work.

    Raises:
        PluginError: with the problem that discovery found.
    """
    found = find(name)
    if found.plugin is None:
        raise PluginError(f"plugin {name!r}", found.problem)
    return found.plugin


def resolve(label: str, reference: str) -> Any:
    """Import what `"module:attribute"` names.

    Raises:
        PluginError: naming `label`, with the import's own error behind it.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        remedy = "Reinstall the plugin with its dependencies, or fix the reference"
        raise PluginError(
            label, f"cannot import {reference!r} ({type(error).__name__}: {error})", remedy
        ) from error


def refresh() -> None:
    """Forget what was found, so that a plugin installed meanwhile is seen (in a notebook, say)."""
    entries.cache_clear()
    find.cache_clear()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean 'denoise'?`, or nothing where no known word is close."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else ""


def extras() -> tuple[str, ...]:
    """The plugins that the core's own extras offer, read from its metadata."""
    try:
        lines = requires("scionwood") or []
    except PackageNotFoundError:
        return ()
    found = (
        fullmatch(r"""scionwood-([\w-]+)\s*[=<>!~(].*extra\s*==\s*["'](.+)["'].*""", x)
        for x in lines
    )
    return tuple(sorted({m[1].replace("-", "_") for m in found if m and m[1] == m[2]}))


def owner(point: EntryPoint) -> str:
    """`name version` of the distribution behind an entry point."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


def _is_off(name: str) -> bool:
    off = {word.strip() for word in os.environ.get(DISABLE, "").split(",")}
    return name in off or "*" in off


def _missing(name: str) -> str:
    if _is_off(name):
        return f"switched off by {DISABLE}. Unset it to use the plugin"
    installed = f"(installed: {', '.join(entries()) or 'none'})"
    if name in extras():
        return f"not installed {installed}. Try: pip install 'scionwood[{name}]'"
    return f"unknown {installed}. {did_you_mean(name, {*entries(), *extras()})}".strip()


def _wrong(name: str, plugin: object) -> str:
    if not isinstance(plugin, Plugin):
        return (
            f"its entry point is a {type(plugin).__name__}, not a scionwood.Plugin. Ask its authors"
        )
    if plugin.api > API:
        return f"speaks plugin API {plugin.api}, the core {API}. Upgrade: pip install -U scionwood"
    if plugin.api < API:
        return f"speaks plugin API {plugin.api}, the core {API}. Upgrade the plugin"
    if plugin.name != name:
        return f"its record is named {plugin.name!r}, unlike its entry point. Ask its authors"
    return ""


def _suggest(kind: str, name: str) -> str:
    known = [f"{f.name}/{c}" for f in plugins() if f.plugin for c in getattr(f.plugin, kind)]
    return did_you_mean(name, known) or next(
        (f"Did you mean {k!r}?" for k in known if k.endswith(f"/{name}")), ""
    )
