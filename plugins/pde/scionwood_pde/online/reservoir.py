"""A cache of samples that counts their uses, and gives up the most used for a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

Key = tuple[int, int]
"""The number of the simulation, and of the sample in it."""


@final
@dataclass
class Entry:
    """A sample, and how often it was drawn."""

    key: Key
    sample: Tensor
    uses: int = 0


@final
class ReuseCache:
    """Samples that are drawn more than once, but never more often than a bound.

    Args:
        capacity: samples that it holds.
        max_uses: a sample that was drawn so often leaves.
        generator: of the draws.

    Raises:
        ValueError: a capacity or bound below 1.

    Source: the most-frequently-used buffer of Tadpole's figure; reconstruction.
    """

    def __init__(self, capacity: int, max_uses: int, generator: torch.Generator) -> None:
        for name, value in (("capacity", capacity), ("max_uses", max_uses)):
            if value < 1:
                raise ValueError(f"{name}={value}: at least 1 is needed. Raise it")
        self.capacity, self.max_uses, self.generator = capacity, max_uses, generator
        self.entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def full(self) -> bool:
        """Whether the next sample displaces another."""
        return len(self) == self.capacity

    def put(self, key: Key, sample: Tensor) -> Key | None:
        """Add a sample that was never used.

        Returns:
            The key that it displaced: of the most used, of those the oldest; None where there was
            room.
        """
        displaced = None
        if self.full:
            most = max(range(len(self)), key=lambda i: (self.entries[i].uses, -i))
            displaced = self.entries.pop(most).key
        self.entries.append(Entry(key, sample))
        return displaced

    def draw(self) -> Entry:
        """Draw a sample, each with the same chance; it leaves when that was its last use.

        Raises:
            IndexError: the cache is empty.
        """
        if not self.entries:
            raise IndexError("a draw from an empty cache: it holds nothing. Put a sample first")
        place = int(torch.randint(len(self), (), generator=self.generator))
        entry = self.entries[place]
        entry.uses += 1
        if entry.uses == self.max_uses:
            del self.entries[place]
        return entry
