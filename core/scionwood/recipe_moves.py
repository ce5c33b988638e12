"""Write the new names of components that moved into a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scionwood import discovery
from scionwood.recipe_keys import SLOTS

KINDS: Mapping[str, str] = {**SLOTS, "adapter": "adapters"}
"""The sections of a recipe that name a component, each with its kind."""


def rename_moved(raw: dict[str, Any], *, quiet: bool = False) -> None:
    """Replace the old names of components in place, with the options that changed with them.

    Args:
        raw: the content of a recipe.
        quiet: say nothing, since nobody wrote the recipe: it is that of a run.
    """
    for section, kind in KINDS.items():
        value = raw.get(section)
        given = {"name": value} if isinstance(value, str) else value
        if isinstance(given, dict) and isinstance(given.get("name"), str):
            raw[section] = _renamed(kind, given, quiet)


def is_of_run(path: Path) -> bool:
    """Return whether a recipe is the one that a run recorded.

    Args:
        path: the file of the recipe.
    """
    return path.name == "recipe.yaml" and (path.parent / "metrics.csv").is_file()


def _renamed(kind: str, given: dict[str, Any], quiet: bool) -> dict[str, Any]:
    old = given["name"]
    new = discovery.moved(kind, old)
    if new is None:
        return given
    if not quiet:
        discovery.warn_moved(old, new.to)
    options = {**new.options, **given, "name": new.to}
    for option, values in new.values.items():
        value = options.get(option)
        options[option] = values.get(value, value) if isinstance(value, str) else value
    return options
