"""What the kernels must know about a CUDA card."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple, final

import torch

from scionwood.kernels.triton_plan import Plan, Shape, plan

OLDEST = (8, 0)
"""The oldest compute capability that the Triton kernels are compiled and tested for."""
COPIES = (9, 0)
"""The oldest compute capability with a copy engine (TMA), which persistent products use."""


@final
class Card(NamedTuple):
    """A CUDA card."""

    name: str
    capability: tuple[int, int]
    processors: int
    """The number of multiprocessors."""
    shared: int
    """Bytes of shared memory for one program."""


@lru_cache(maxsize=64)
def card(index: int) -> Card:
    """Return the card with an index."""
    about: Any = torch.cuda.get_device_properties(index)
    return Card(
        about.name,
        (about.major, about.minor),
        about.multi_processor_count,
        about.shared_memory_per_block_optin,
    )


def planned(gpu: Card, shape: Shape) -> Plan:
    """Return the plan of a layer on a card."""
    return plan(shape, gpu.shared, 2 * gpu.processors, gpu.capability >= COPIES)
