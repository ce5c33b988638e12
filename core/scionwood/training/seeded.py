"""Random draws of a dataset that depend on seed, epoch and index alone."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import torch
from torch.utils.data import Dataset


@final
class Seeded(Dataset[Any]):
    """A dataset whose random draws depend on seed, epoch and index alone.

    Attributes:
        number: the number of the epoch; workers and this process share its memory.
    """

    def __init__(self, inner: Dataset[Any], seed: int) -> None:
        self.inner, self.seed = inner, seed
        self.number = torch.zeros((), dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.inner)  # type: ignore[arg-type]  # map-style datasets have a length

    def __getitem__(self, index: Any) -> Any:
        with _draws(self.seed, int(self.number), index):
            return self.inner[index]

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        many = getattr(self.inner, "__getitems__", None)
        if many is None:
            return [self[index] for index in indices]
        with _draws(self.seed, int(self.number), indices[0]):
            return list(many(indices))


@contextmanager
def _draws(seed: int, epoch: int, index: Any) -> Iterator[None]:
    numpy = np.random.get_state()  # noqa: NPY002  # the dataset may draw from this generator
    before = random.getstate(), torch.get_rng_state()
    key = [seed, epoch, zlib.crc32(repr(index).encode())]
    word = int(np.random.SeedSequence(key).generate_state(1)[0])
    random.seed(word)
    np.random.seed(word)  # noqa: NPY002
    torch.default_generator.manual_seed(word)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(numpy)  # noqa: NPY002
        torch.set_rng_state(before[1])
