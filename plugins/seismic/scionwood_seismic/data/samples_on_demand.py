"""The base of data components whose samples are made when they are asked for."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, final

from torch import Tensor
from torch.utils.data import Dataset

from scionwood import SplitData
from scionwood.authoring import DataLoader, Split


class OnDemandData(SplitData):
    """Samples that are made when they are asked for.

    A subclass writes `sample`, and `setup` where files are read, so that errors appear before
    training.

    Args:
        batch_size: samples per batch.
        n_train: samples per epoch.
        n_val: samples in the validation split, the same ones every time.
        n_test: samples in the test split.
        num_workers: processes that make samples; 0 uses the training process.
        seed: seed of all three splits.

    Attributes:
        renewed: whether each epoch of training draws new samples.
    """

    renewed: ClassVar[bool] = False

    def __init__(
        self, batch_size: int, n_train: int, n_val: int, n_test: int, num_workers: int, seed: int
    ) -> None:
        super().__init__()
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.lengths = {"train": n_train, "val": n_val, "test": n_test}

    @abstractmethod
    def sample(self, split: str, index: int) -> dict[str, Tensor]:
        """Return one sample of a split."""

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; without `renewed` every epoch has the same samples."""
        return DataLoader(
            _OnDemand(self, split),
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            drop_last=split == "train",
            seed=self.seed if self.renewed else None,
        )


@final
class _OnDemand(Dataset[dict[str, Tensor]]):
    """A split of a data component."""

    def __init__(self, data: OnDemandData, split: str) -> None:
        self.data, self.split = data, split

    def __len__(self) -> int:
        return self.data.lengths[self.split]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.data.sample(self.split, index)
