"""Change keys of a recipe, and with the name of a component its options."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from scionwood.recipes.recipe_file import set_dotted
from scionwood.recipes.recipe_keys import SLOTS, known_options

_log = logging.getLogger("scionwood.recipes.recipe")
NAMES = {f"{section}.name": section for section in (*SLOTS, "adapter")}


def change(where: str, raw: dict[str, Any], pairs: Iterable[tuple[str, Any]]) -> None:
    """Set keys of a recipe in place.

    Another name of a component comes first, whatever the order. It drops the options of the recipe
    that the new component does not have, and a warning lists them. Other keys that it does not have
    stay, and are refused later.

    Args:
        where: the recipe in messages.
        raw: its content.
        pairs: dotted keys and their values.

    Raises:
        RecipeError: a key leads into a value that has no keys.
        PluginError: the plugin of a new component is missing or broken, or does not have it.
    """
    changes = list(pairs)
    for key, value in changes:
        if key in NAMES:
            _rename(where, raw, NAMES[key], value)
    for key, value in changes:
        set_dotted(raw, key, value)


def _rename(where: str, raw: dict[str, Any], section: str, name: Any) -> None:
    old = raw.get(section)
    if not isinstance(old, dict) or not isinstance(name, str) or old.get("name") == name:
        return
    option_names = known_options(section, name)
    if option_names is None:  # its source does not tell
        return
    dropped = [key for key in old if key not in ("name", *option_names)]
    raw[section] = {key: value for key, value in old.items() if key not in dropped}
    if dropped:
        text = "%s: %s %s has no option %s, which %s of the recipe has: left out"
        _log.warning(text, where, section, name, ", ".join(dropped), old.get("name"))
