"""The bases of all plugins by name, the recipes that use them, and references in recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

from scionwood.errors import PluginError, RecipeError
from scionwood.plugins import discovery
from scionwood.pretrained.record import PREFIX, Base
from scionwood.recipes.recipe_file import read_yaml, recipes


def bases() -> list[Base]:
    """Return the records of the pretrained weights that the installed plugins know, by name.

    Raises:
        PluginError: the module of a plugin's bases cannot be imported.

    Example:
        >>> "atoms/sevennet-0" in [base.name for base in scionwood.bases()]
        True
    """
    return [base for entry in discovery.plugins() if entry.plugin for base in _of(entry.name)]


def base(name: str | Base) -> Base:
    """Return the record of pretrained weights by its name.

    Args:
        name: `plugin/name`, with or without `base:` before it; a record gives itself.

    Raises:
        PluginError: there is no such base; the message has the nearest name.

    Example:
        >>> scionwood.base("atoms/sevennet-0").licence
        'MIT'
    """
    if isinstance(name, Base):
        return name
    name = name.removeprefix(PREFIX)
    owner, slash, _ = name.partition("/")
    table = {base.name: base for base in (_of(owner) if slash else bases())}
    if name not in table:
        rule = "no plugin knows this base"
        near = discovery.did_you_mean(name, table)
        raise PluginError(f"base {name!r}", rule, near or "See: scionwood bases")
    return table[name]


@cache
def _of(owner: str) -> tuple[Base, ...]:
    module = discovery.record(owner).bases
    if module is None:
        return ()
    try:
        table: dict[str, Base] = import_module(module).BASES
    except (ImportError, AttributeError) as error:
        rule = f"its bases cannot be imported ({error})"
        raise PluginError(f"plugin {owner!r}", rule, "Reinstall the plugin") from error
    return tuple(replace(base, name=f"{owner}/{name}") for name, base in table.items())


def users() -> dict[str, list[str]]:
    """Return the recipes of installed plugins by the backbone that they name."""
    table: dict[str, list[str]] = {}
    for entry in discovery.plugins():
        for name, path in (recipes(entry.name) if entry.plugin else {}).items():
            backbone = read_yaml(path).get("backbone")
            key = backbone.get("name", "") if isinstance(backbone, dict) else str(backbone)
            table.setdefault(key, []).append(f"{entry.name}/{name}")
    return table


def spread(where: str, raw: dict[str, Any]) -> None:
    """Replace `backbone.weights: base:NAME` by the options of the base; other options stay."""
    backbone = raw.get("backbone")
    reference = backbone.get("weights") if isinstance(backbone, dict) else None
    if not isinstance(reference, str) or not reference.startswith(PREFIX):
        return
    found, name = base(reference), raw["backbone"].get("name")
    if name not in found.backbones:
        takers = ", ".join(found.backbones) or "none that is installed"
        rule = f"{name} cannot take {found.name}; backbones that can: {takers}"
        raise RecipeError(f"{where}: backbone.weights", rule, "See: scionwood bases")
    options = found.backbones[name]
    others = {key: value for key, value in raw["backbone"].items() if key != "weights"}
    chosen = {key: reference if value == PREFIX else value for key, value in options.items()}
    raw["backbone"] = {**others, **chosen}


def facts(options: Mapping[str, Any]) -> dict[str, str]:
    """Return what the card of a run states of the base that an option of its backbone names."""
    for value in options.values():
        if isinstance(value, str) and value.startswith(PREFIX):
            found = base(value)
            return {
                "weights": f"{found.name} of {found.source}",
                "licence": found.licence,
                "seen in pretraining": found.seen,
            }
    return {}
