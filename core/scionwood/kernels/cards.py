"""What the kernels must know about a CUDA card, and the table of tiles by card and shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, final

import torch

from scionwood.kernels.triton_plan import Plan, Tile, plan

FILE = Path(__file__).with_name("tiles.json")
"""Tiles that `python -m scionwood.kernels tune` measured. Nothing is measured in a user's run."""
SCHEMA = 1
OLDEST = (8, 0)
"""The oldest compute capability that the Triton kernels are compiled and tested for."""
COPIES = (9, 0)
"""The oldest compute capability with a copy engine (TMA), which persistent products use."""
NEAR = 2.0
"""An entry serves other numbers of tokens up to this factor."""


@final
class Card(NamedTuple):
    """A CUDA card."""

    name: str
    capability: tuple[int, int]
    processors: int
    """The number of multiprocessors."""
    shared: int
    """Bytes of shared memory for one program."""
    flops: float = 800e12
    """Operations a second of large bfloat16 products; the default is that of an H100."""
    bytes: float = 3.0e12
    """Bytes a second of a copy, read and written; the default is that of an H100."""


@final
class Entry(NamedTuple):
    """What was measured for a shape."""

    plan: Plan
    arms: dict[str, str]
    """The fastest implementation of each direction, `forward` and `backward`."""


H100 = Card("NVIDIA H100 80GB HBM3", (9, 0), 132, 227 * 1024)
"""The card that predictions assume on a machine without one."""


@lru_cache(maxsize=64)
def card(index: int = 0) -> Card:
    """Return the card with an index, or `H100` on a machine without a CUDA device.

    The rates are those that were measured on the nearest card of the table, if there is any.
    """
    if not torch.cuda.is_available():
        return H100
    about: Any = torch.cuda.get_device_properties(index)
    own = Card(
        about.name,
        (about.major, about.minor),
        about.multi_processor_count,
        about.shared_memory_per_block_optin,
    )
    known = nearest(own, table()["cards"])
    if known is None:
        return own
    scale = own.processors / known["processors"]
    return own._replace(flops=known["flops"] * scale, bytes=known["bytes"])


@cache
def table(file: Path = FILE) -> dict[str, Any]:
    """Read a table of tiles.

    Raises:
        ValueError: The file has another schema than this version reads.
    """
    content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    if content.get("schema") != SCHEMA:
        raise ValueError(
            f"{file.name}: its schema is {content.get('schema')}, and this version reads {SCHEMA}. "
            "Write it again with `python -m scionwood.kernels tune --device cuda`"
        )
    return content


def nearest(own: Card, cards: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the entry of the same card, or of the nearest of the same generation, or `None`.

    The nearest has the next number of multiprocessors.
    """
    if own.name in cards:
        found: dict[str, Any] = cards[own.name]
        return found
    same = [each for each in cards.values() if each["capability"][0] == own.capability[0]]
    return min(same, key=lambda each: abs(each["processors"] - own.processors), default=None)


def measured(
    own: Card, dtype: torch.dtype, m: int, n: int, k: int, rank: int, file: Path = FILE
) -> Entry | None:
    """Return what the table has for a shape on a card or on the nearest card, or `None`.

    The shape must be the same, except that the tokens may differ by the factor `NEAR`. Tiles that
    do not fit in the shared memory of the card are refused.
    """
    known = nearest(own, table(file)["cards"])
    if known is None or m < 1:
        return None
    name = str(dtype).removeprefix("torch.")
    fits = [
        shape
        for shape in known["shapes"]
        if (shape["dtype"], shape["n"], shape["k"], shape["rank"]) == (name, n, k, rank)
        and max(shape["m"], m) <= NEAR * min(shape["m"], m)
    ]
    if not fits:
        return None
    best = min(fits, key=lambda shape: max(shape["m"], m) / min(shape["m"], m))
    tiles = {kernel: Tile(*tile) for kernel, tile in best["plan"].items()}
    needed = max(tiles[kernel].shared(dtype.itemsize) for kernel in ("up", "dx"))
    if needed > own.shared:
        return None
    return Entry(Plan(best["width"], **tiles, programs=2 * own.processors), best["arms"])


def computed(own: Card, dtype: torch.dtype, m: int, n: int, k: int, rank: int) -> Plan:
    """Return the plan of a shape on a card by arithmetic."""
    streams = own.capability >= COPIES
    return plan(dtype, m, n, k, rank, own.shared, 2 * own.processors, streams)


def planned(own: Card, dtype: torch.dtype, m: int, n: int, k: int, rank: int) -> Plan:
    """Return the plan of a shape on a card: from the table, or by arithmetic."""
    entry = measured(own, dtype, m, n, k, rank)
    return entry.plan if entry else computed(own, dtype, m, n, k, rank)
