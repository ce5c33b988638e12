"""Hashes by which sites find out that they do not train the same thing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from scionwood import RecipeError

LOCAL_OPTIONS = frozenset(
    {"source", "table", "labels", "folder", "files", "noise", "pairs", "batch_size", "shots"}
    | {"num_workers", "on_bad_file", "loader", "subjects"}
)
"""Options of data that name the data of a site, or how much of it there is, in every field."""

_COUNT = re.compile(r"n_\w+|(\w+_)?seed")
_RANK = ("r", "lora_alpha", "rank_pattern", "alpha_pattern")


def own_options(recipe: Any, more: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the options of the data that each site sets for itself.

    They are the names in `LOCAL_OPTIONS`, counts such as `n_train`, and seeds.

    Args:
        recipe: the recipe of a site.
        more: further options of the data.

    Raises:
        RecipeError: the data have no option of a further name.
    """
    options = recipe.data.options
    if unknown := sorted(set(more) - set(options)):
        remedy = f"It has: {', '.join(options)}"
        raise RecipeError(f"own option {unknown[0]!r}", f"{recipe.data.name} has no such", remedy)
    names = {name for name in options if name in LOCAL_OPTIONS or _COUNT.fullmatch(name)}
    return tuple(sorted(names | set(more)))


def recipe_hash(recipe: Any) -> str:
    """Return the hash of task, backbone and adapter.

    The rank does not count, because some rules pool several ranks. Paths of this machine count by
    their last part.
    """
    parts = yaml.safe_load(recipe.dump())
    adapter = {key: value for key, value in parts["adapter"].items() if key not in _RANK}
    return _digest({"task": parts["task"], "backbone": parts["backbone"], "adapter": adapter})


def preprocessing_hash(recipe: Any, site_options: Iterable[str]) -> str:
    """Return the hash of the options of the data that all sites share."""
    left_out = set(site_options)
    data = yaml.safe_load(recipe.dump())["data"]
    return _digest({key: value for key, value in data.items() if key not in left_out})


def _digest(record: Mapping[str, Any]) -> str:
    text = json.dumps(_plain(record), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and ("/" in value or "\\" in value) and Path(value).exists():
        return Path(value).name
    return value
