"""A cache of samples that counts their uses and replaces the most used by a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

Key = tuple[int, int]
"""The number of a simulation, and of a sample in it."""


@final
@dataclass
class Entry:
    """A sample and the number of its draws."""

    key: Key
    sample: Tensor
    uses: int = 0


@final
class ReuseCache:
    """A cache of samples that can be drawn several times, up to a bound.

    Args:
        capacity: number of samples that it holds.
        max_uses: number of draws after which a sample is removed.
        generator: random numbers for the draws.

    Raises:
        ValueError: the capacity or the bound is below 1.

    Source: the most-frequently-used buffer in Tadpole's figure; reconstruction.
    """

    def __init__(self, capacity: int, max_uses: int, generator: torch.Generator) -> None:
        for name, value in (("capacity", capacity), ("max_uses", max_uses)):
            if value < 1:
                raise ValueError(f"{name}={value}: it must be at least 1. Raise it")
        self.capacity, self.max_uses, self.generator = capacity, max_uses, generator
        self.entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def full(self) -> bool:
        """Whether the next sample replaces another one."""
        return len(self) == self.capacity

    def put(self, key: Key, sample: Tensor) -> Key | None:
        """Add a new sample.

        Returns:
            The key of the sample that it replaces: the oldest of the most used. `None` if the cache
            was not full.
        """
        displaced = None
        if self.full:
            # Of equal counts the lowest index, which is the oldest entry.
            most_used = max(range(len(self)), key=lambda i: (self.entries[i].uses, -i))
            displaced = self.entries.pop(most_used).key
        self.entries.append(Entry(key, sample))
        return displaced

    def draw(self) -> Entry:
        """Draw a sample with equal probabilities; it is removed after its last use.

        Raises:
            IndexError: the cache is empty.
        """
        if not self.entries:
            raise IndexError("a draw from an empty cache: it has no sample. Put one first")
        place = int(torch.randint(len(self), (), generator=self.generator))
        entry = self.entries[place]
        entry.uses += 1
        if entry.uses == self.max_uses:
            del self.entries[place]
        return entry
