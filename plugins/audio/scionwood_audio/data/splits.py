"""Splits by group, so that nothing of a recording is in two splits."""

from __future__ import annotations

import random
from collections.abc import Sequence

from scionwood import RecipeError


def deal(groups: Sequence[str], seed: int, what: str) -> dict[str, list[int]]:
    """Deal rows into `train`, `val` and `test`, about 70, 15 and 15 of 100 groups.

    Args:
        groups: the group of each row, such as its recording.
        seed: seed of the order of the groups.
        what: what the rows are, for the error.

    Raises:
        RecipeError: there are fewer than three groups.
    """
    names = sorted(set(groups))
    if len(names) < 3:
        rule = "train, validation and test need at least one recording each"
        raise RecipeError(f"{what} of {len(names)} recordings", rule, "Add recordings")
    random.Random(seed).shuffle(names)
    few = max(1, round(0.15 * len(names)))
    of_name = {name: "val" if k < few else "test" for k, name in enumerate(names[: 2 * few])}
    parts: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for row, group in enumerate(groups):
        parts[of_name.get(group, "train")].append(row)
    return parts
