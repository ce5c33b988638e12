"""Random draws of a dataset that depend on seed, epoch and index alone."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import torch
from torch.utils._pytree import tree_leaves
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


def sample_content(dataset: Dataset[Any], index: int, epoch: int = 0) -> list[Any]:
    """Return what a sample holds when it is read in an epoch, with the draws of that epoch.

    Samples that differ between two epochs are augmented at random.

    Args:
        dataset: a dataset with a length.
        index: the sample.
        epoch: the number of the epoch.

    Returns:
        The bytes of each tensor, array or image of the sample, other plain values as they are, and
        `None` for what is none of these.

    Example:
        >>> rows = torch.arange(6.0).reshape(3, 2)
        >>> authoring.sample_content(rows, 1) == authoring.sample_content(rows, 1, epoch=1)
        True
    """
    seeded = Seeded(dataset.inner if isinstance(dataset, Seeded) else dataset, seed=0)
    seeded.number.fill_(epoch)
    return [_content(leaf) for leaf in tree_leaves(seeded[index])]


def _content(leaf: Any) -> Any:
    if isinstance(leaf, torch.Tensor):
        return leaf.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    if hasattr(leaf, "tobytes"):  # arrays and images
        return leaf.tobytes()
    return leaf if isinstance(leaf, str | bytes | int | float) else None


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
