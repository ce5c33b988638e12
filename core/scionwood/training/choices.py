"""Names that a recipe chooses, with options: `cosine`, or `{name: cosine, floor: 0.1}`.

A name is one of a table of `scionwood.training.tables`, or that of a plugin's component. Checking
a name imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, TypeAlias

from scionwood.errors import RecipeError
from scionwood.plugins import discovery
from scionwood.plugins.discovery import did_you_mean
from scionwood.recipes.signatures.options import option_names
from scionwood.training.tables import KINDS_OF, REFUSED_NAMES, TABLES, Named

Choice: TypeAlias = str | dict[str, Any]
"""A name, or a mapping of `name` and options."""


def split(key: str, entry: Any) -> tuple[str, dict[str, Any]]:
    """Return the name and the options of a choice.

    Args:
        key: the key of the recipe, a key of `tables.TABLES`, such as `trainer.callbacks`.
        entry: what the recipe says.

    Raises:
        RecipeError: it is neither a name nor a mapping with a name.
    """
    own = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(own, Mapping) or not isinstance(own.get("name"), str):
        rule = "a name, or {name: ..., option: value}"
        raise RecipeError(f"{key}: {entry!r}", rule, f"For example {next(iter(TABLES[key]))}")
    return own["name"], {option: value for option, value in own.items() if option != "name"}


def find(key: str, name: str) -> Named | None:
    """Return what a name stands for; None for a name that Lightning knows itself.

    Args:
        key: the key of the recipe, such as `trainer.callbacks`.
        name: a name of the core, or `plugin/name`.

    Raises:
        RecipeError: nothing has that name, or the core refuses it; the message has the reason.
        PluginError: the plugin is missing or broken, or does not have the component.
    """
    known = TABLES[key]
    if name in known:
        return known[name]
    if name in REFUSED_NAMES.get(key, {}):
        rule, remedy = REFUSED_NAMES[key][name]
        raise RecipeError(f"{key}: {name!r}", rule, remedy)
    if (kind := KINDS_OF.get(key)) and "/" in name:
        return Named(discovery.reference(kind, name))
    names = [*known, *_of_plugins(kind)]
    remedy = did_you_mean(name, names) or f"Known: {', '.join(names)}"
    word = key.rpartition(".")[2].removesuffix("s")
    raise RecipeError(f"{key}: {name!r}", f"no {word} has this name", remedy)


def check(key: str, name: str, own: Mapping[str, Any]) -> None:
    """Refuse an unknown name or option; the source of a plugin's component tells its options.

    Raises:
        RecipeError: nothing has that name, or it has no such option.
        PluginError: the plugin is missing or broken, or does not have the component.
    """
    named = find(key, name)
    allowed: tuple[str, ...] | None = tuple(sorted(named.options)) if named else ()
    if named and "/" in name:
        allowed = option_names(named.reference)
    for option in own:
        if allowed is None or option in allowed:
            continue
        offered = f"Known: {', '.join(allowed)}" if allowed else "It takes none"
        near = did_you_mean(option, allowed) or offered
        raise RecipeError(f"{key}: {name}", f"it has no option {option!r}", near)


def make(key: str, name: str, named: Named, own: Mapping[str, Any], *injected: Any) -> Any:
    """Call what a recipe names with its options.

    Args:
        key: the key of the recipe.
        name: the name, for the message.
        named: what it stands for.
        own: its options.
        injected: positional arguments of the core.

    Raises:
        RecipeError: it refuses a value.
    """
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    component = load(named)
    try:
        return component(*injected, **own)
    except (ValueError, TypeError, AssertionError, MisconfigurationException) as error:
        raise RecipeError(f"{key}: {name}", str(error), "Change its options") from error


def load(named: Named) -> Any:
    """Import what a recipe names."""
    module, _, attribute = named.reference.partition(":")
    return getattr(import_module(module), attribute)


def _of_plugins(kind: str | None) -> list[str]:
    if kind is None:
        return []
    records = [entry.plugin for entry in discovery.plugins() if entry.plugin]
    return [f"{record.name}/{name}" for record in records for name in getattr(record, kind)]
