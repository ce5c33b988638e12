"""The small JSON files of a run folder that say what a run was trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from scionwood.authoring import atomic_path, reading

Card = TypeVar("Card")


def write_card(card: Any, folder: str | Path, file: str) -> None:
    """Write a dataclass into a run folder, whole or not at all."""
    with atomic_path(Path(folder) / file) as part:
        part.write_text(json.dumps(asdict(card), indent=1) + "\n", "utf-8")


def read_card(
    folder: str | Path, file: str, kind: str, build: Callable[[dict[str, Any]], Card]
) -> Card | None:
    """Return the card of a run folder, or `None` if the folder has no such file.

    Args:
        folder: the run folder.
        file: name of the file.
        kind: what the file holds, for the message of an error.
        build: makes the card from the values of the file; what it raises is an error of the file.

    Raises:
        ReadError: the file is damaged.
    """
    path = Path(folder) / file
    if not path.exists():
        return None
    with reading(path, kind):
        return build(json.loads(path.read_text("utf-8")))
