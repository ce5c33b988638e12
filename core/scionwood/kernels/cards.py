"""What the kernels must know about a CUDA card, and the table of tiles by card and shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, final

import torch

from scionwood.kernels.triton_plan import Plan, Shape, Tile, plan

FILE = Path(__file__).with_name("tiles.json")
"""Tiles that `python -m scionwood.kernels tune` measured. Nothing is measured in a user's run."""
SCHEMA = 2
OLDEST = (8, 0)
"""The oldest compute capability that the Triton kernels are compiled and tested for."""
COPIES = (9, 0)
"""The oldest compute capability with a copy engine (TMA), which persistent products use."""
NEAR = 2.0
"""An entry serves other numbers of tokens up to this factor."""


@final
class Sheet(NamedTuple):
    """What the vendor states for a card: dense operations a second, and bytes a second."""

    flops: float
    """bfloat16 products."""
    tf32: float
    float32: float
    """Without the matrix units."""
    bytes: float
    processors: int


SHEETS = {
    (8, 0): Sheet(312e12, 156e12, 19.5e12, 2.039e12, 108),
    (8, 6): Sheet(149.7e12, 74.8e12, 37.4e12, 0.696e12, 84),
    (8, 9): Sheet(362.05e12, 183e12, 91.6e12, 0.864e12, 142),
    (9, 0): Sheet(989.4e12, 494.7e12, 66.9e12, 3.35e12, 132),
}
"""By compute capability, from the data sheets of NVIDIA: A100 80 GB SXM, A40, L40S and H100 SXM."""
PRODUCT, COPY = 0.81, 0.9
"""The assumed shares of these rates that a large product and a copy reach."""


@final
class Card(NamedTuple):
    """A CUDA card; the rates are those that large products and copies reach, for each second."""

    name: str
    capability: tuple[int, int]
    processors: int
    """The number of multiprocessors."""
    shared: int
    """Bytes of shared memory for one program."""
    flops: float = 800e12
    """Operations of bfloat16 products; the defaults are those of an H100."""
    bytes: float = 3.0e12
    """Bytes of a copy, read and written."""
    tf32: float = 400e12
    """Operations of float32 products whose operands are rounded to TF32."""
    float32: float = 54e12
    """Operations of float32 products."""

    def rate(self, shape: Shape) -> float:
        """Return the operations a second of the products of a layer."""
        if shape.dtype != torch.float32:
            return self.flops
        return self.tf32 if shape.tf32 else self.float32


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

    The rates are those that were measured on the nearest card of the table, if there is any, and
    otherwise shares of the data sheet of its generation.
    """
    if not torch.cuda.is_available():
        return H100
    about: Any = torch.cuda.get_device_properties(index)
    device_card = Card(
        about.name,
        (about.major, about.minor),
        about.multi_processor_count,
        about.shared_memory_per_block_optin,
    )
    reference = nearest(device_card, table()["cards"])
    if reference is None:
        return _reaching(device_card, datasheet(device_card.capability, device_card.processors))
    scale = device_card.processors / reference["processors"]
    flops, tf32, float32 = (reference[name] * scale for name in ("flops", "tf32", "float32"))
    return _reaching(
        device_card, Sheet(flops, tf32, float32, reference["bytes"], device_card.processors)
    )


def _reaching(gpu: Card, rates: Sheet) -> Card:
    flops, tf32, float32, copied, _ = rates
    return gpu._replace(flops=flops, tf32=tf32, float32=float32, bytes=copied)


def datasheet(capability: tuple[int, int], processors: int) -> Sheet:
    """Return the rates of a card that nobody measured: shares of the data sheet of its generation.

    Args:
        capability: The compute capability; one without a data sheet takes that of the one before.
        processors: The number of multiprocessors, to which the rates of products are scaled.

    Example:
        >>> from scionwood.kernels.cards import stated
        >>> round(stated((8, 0), 108).tf32 / 1e12)  # an A100, whose data sheet states 156
        126
    """
    generations = [generation for generation in SHEETS if generation <= capability] or [min(SHEETS)]
    flops, tf32, float32, copied, sheet_processors = SHEETS[max(generations)]
    scale = PRODUCT * processors / sheet_processors
    return Sheet(flops * scale, tf32 * scale, float32 * scale, COPY * copied, processors)


@cache
def table(file: Path = FILE) -> dict[str, Any]:
    """Return a table of tiles, which is read once.

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


def nearest(gpu: Card, cards: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the entry of the same card, or of the nearest of the same generation, or `None`.

    The nearest has the next number of multiprocessors.
    """
    if gpu.name in cards:
        exact_entry: dict[str, Any] = cards[gpu.name]
        return exact_entry
    same = [entry for entry in cards.values() if entry["capability"][0] == gpu.capability[0]]
    return min(same, key=lambda entry: abs(entry["processors"] - gpu.processors), default=None)


def measured(gpu: Card, shape: Shape, file: Path = FILE) -> Entry | None:
    """Return what the table has for a layer on a card or on the nearest card, or `None`.

    The layer must be the same, except that the tokens may differ by the factor `NEAR`. Tiles that
    do not fit in the shared memory of the card are refused.
    """
    reference = nearest(gpu, table(file)["cards"])
    if reference is None or shape.m < 1:
        return None
    shape_key = key(shape)
    fits = [
        entry
        for entry in reference["shapes"]
        if all(entry[name] == value for name, value in shape_key.items())
        and max(entry["m"], shape.m) <= NEAR * min(entry["m"], shape.m)
    ]
    if not fits:
        return None
    best = min(fits, key=lambda entry: max(entry["m"], shape.m) / min(entry["m"], shape.m))
    tiles = {kernel: Tile(*tile) for kernel, tile in best["plan"].items()}
    needed = max(tiles[kernel].shared(shape.dtype.itemsize) for kernel in ("up", "dx"))
    if needed > gpu.shared:
        return None
    cut = Plan(best["width"], **tiles, programs=2 * gpu.processors, tf32=shape.tf32)
    return Entry(cut, best["arms"])


def key(shape: Shape) -> dict[str, object]:
    """Return what an entry of the table has in common with a layer, except the tokens."""
    about = {"n": shape.n, "k": shape.k, "rank": shape.rank}
    return {"kind": shape.kind, **about, "gated": shape.gated}


def computed(gpu: Card, shape: Shape) -> Plan:
    """Return the plan of a layer on a card by arithmetic."""
    return plan(shape, gpu.shared, 2 * gpu.processors, gpu.capability >= COPIES)


def planned(gpu: Card, shape: Shape) -> Plan:
    """Return the plan of a layer on a card: from the table, or by arithmetic."""
    entry = measured(gpu, shape)
    return entry.plan if entry else computed(gpu, shape)


def write(
    file: Path,
    gpu: Card,
    about: Mapping[str, Any],
    entries: list[dict[str, Any]],
    name: Literal["shapes", "convs"] = "shapes",
) -> None:
    """Write the entries of a card into a table; other cards and other layers in it stay.

    Raises:
        ValueError: The file has another schema than this version writes.
    """
    from scionwood_sandbox.files import atomic_path

    table.cache_clear()  # others may have written it
    content: dict[str, Any] = table(file) if file.exists() else {"schema": SCHEMA, "cards": {}}
    previous_entry = content["cards"].get(gpu.name, {"shapes": [], "convs": []})
    new = {_same(entry): entry for entry in entries}
    old_entries = {_same(entry): entry for entry in previous_entry[name]}
    content["cards"][gpu.name] = {
        **previous_entry,
        "capability": list(gpu.capability),
        "processors": gpu.processors,
        **about,
        name: list((old_entries | new).values()),
    }
    with atomic_path(file) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    table.cache_clear()


def _same(entry: Mapping[str, Any]) -> str:
    """Return what tells an entry from others: all but what was measured."""
    measured = ("width", "plan", "arms", "microseconds", "form")
    return json.dumps({name: entry[name] for name in sorted(entry) if name not in measured})
