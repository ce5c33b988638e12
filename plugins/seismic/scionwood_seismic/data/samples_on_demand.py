"""A split whose samples are made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor
from torch.utils.data import Dataset

Sample = Callable[[str, int], dict[str, Tensor]]


@final
class OnDemand(Dataset[dict[str, Tensor]]):
    """A split of a data component.

    Args:
        sample: maps the split and an index to a sample.
        split: the split.
        length: number of samples.
    """

    def __init__(self, sample: Sample, split: str, length: int) -> None:
        self.sample, self.split, self.length = sample, split, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.sample(self.split, index)
