"""One part of the vector for each numbered block of a model, such as `layers.7`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, final

from scionwood import AdapterError

CONTAINERS = ("layers", "layer", "h", "block", "blocks")
"""The usual names of the list of blocks, as in the authors' code."""


@final
class Part(NamedTuple):
    """The part of the vector that a block uses: its first entry, its length, and its seed."""

    start: int
    length: int
    seed: int


def block_of(key: str, pattern: Sequence[str] | str | None) -> str:
    """Return the name of the numbered block in which a layer lies.

    Args:
        key: the name of the layer, such as "encoder.layers.7.attention.query".
        pattern: the name of the list of blocks, or several; `None` means the usual names.

    Raises:
        AdapterError: the layer lies in no such block.
    """
    lists = CONTAINERS if pattern is None else (pattern,) if isinstance(pattern, str) else pattern
    words = key.split(".")
    for place, (word, number) in enumerate(pairwise(words)):
        if word in lists and number.isdigit():
            return ".".join(words[: place + 2])
    rule = f"`scope: block` needs targets in numbered blocks ({', '.join(lists)})"
    raise AdapterError(f"gpart on {key}", rule, "Name the list of blocks in layers_pattern")


def parts_of(names: Sequence[str], d: int, seed: int) -> dict[str, Part]:
    """Divide a vector among blocks: equal lengths, one more for the first blocks.

    Args:
        names: the blocks; their order by number and name decides.
        d: the length of the vector.
        seed: the seed of the first block; each next block has the next one.

    Raises:
        AdapterError: there are more blocks than entries.
    """
    ordered = sorted(set(names), key=_natural)
    if d < len(ordered):
        rule = f"the vector has at least one entry for each of {len(ordered)} blocks"
        raise AdapterError(f"d={d}", rule, "Raise d, or target fewer blocks")
    base_length, remainder = divmod(d, len(ordered))
    parts, start = {}, 0
    for place, name in enumerate(ordered):
        length = base_length + (place < remainder)
        parts[name] = Part(start, length, seed + place)
        start += length
    return parts


def _natural(name: str) -> list[tuple[int, int, str]]:
    # Block 10 comes after block 9. The order decides which part of theta a block reads.
    return [(0, int(w), "") if w.isdigit() else (1, 0, w) for w in name.split(".")]
