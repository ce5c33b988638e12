"""The base of data components: three splits, each with its loader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, TypeAlias

import lightning as L

from scionwood.training.data_files import DataFiles
from scionwood.training.loader import DataLoader

Split: TypeAlias = Literal["train", "val", "test"]


class SplitData(L.LightningDataModule, ABC):
    """Data in a training, a validation and a test split.

    A subclass writes `loader`. Its keyword-only parameters are its configuration.

    Attributes:
        data_files: the files that the user names; `None` for data without files.

    Example:
        >>> class Squares(scionwood.SplitData):
        ...     def __init__(self, *, batch_size: int = 8) -> None:
        ...         super().__init__()
        ...         self.batch_size = batch_size
        ...     def loader(self, split: authoring.Split) -> authoring.DataLoader:
        ...         squares = [float(i * i) for i in range(16)]
        ...         return authoring.DataLoader(squares, self.batch_size, shuffle=split == "train")
        >>> len(Squares().train_dataloader())
        2
    """

    data_files: DataFiles | None = None

    @abstractmethod
    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; those of the training split in a new order each epoch."""

    def train_dataloader(self) -> DataLoader:
        """Return the batches of the training split."""
        return self.loader("train")

    def val_dataloader(self) -> DataLoader:
        """Return the batches of the validation split."""
        return self.loader("val")

    def test_dataloader(self) -> DataLoader:
        """Return the batches of the test split."""
        return self.loader("test")
