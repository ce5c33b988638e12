"""What the metadata of a run's card (README.md) states: on which data, and with what result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from scionwood.recipes.recipe_file import load_yaml
from scionwood.runs.layout import CARD

_LONGEST = 64 << 10  # characters of the metadata
_MAX_TEXT = 200  # characters of a text


def metadata(folder: Path) -> dict[str, Any]:
    """Return the metadata of a card: the YAML between two lines `---` at its top.

    Returns:
        The mapping; an empty one if there is no card, no metadata, or nothing readable.
    """
    path = folder / CARD
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", errors="replace") as file:
        head = re.match(r"---\n(.*?)\n---\n", file.read(_LONGEST), re.S)
    try:
        facts = load_yaml(head[1]) if head else {}
    except (yaml.YAMLError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def scope_and_score(folder: Path) -> tuple[str, str]:
    """Return the data of a run and its first metric, from the `model-index` of its card.

    Returns:
        Two texts, such as `seismic/synthetic` and `val_snr 14.1`; empty where the card is silent.
    """
    match metadata(folder).get("model-index"):
        case [{"results": [{**result}, *_]}, *_]:
            pass
        case _:
            return "", ""
    scope = score = ""
    match result:
        case {"dataset": {"name": str(scope)}}:
            pass
    match result:
        case {"metrics": [{"value": int() | float() as value, **metric}, *_]}:
            score = f"{metric.get('name') or metric.get('type') or ''} {value:.4g}"
    return one_line(scope), one_line(score)


def one_line(text: str) -> str:
    """Return a stranger's text as one short line without control characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:_MAX_TEXT].strip()
