"""The backbone, data and task of the toy. A test of the core needs each option."""

from __future__ import annotations

import lightning as L
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.utils.data import Dataset

from scionwood import Task
from scionwood.authoring import DataLoader


class Block(nn.Module):
    """A residual layer. x: (batch, width) -> (batch, width), float32."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Add the activated output of the layer to x. x: (batch, width)."""
        return x + self.dropout(torch.tanh(self.linear(x)))


class Mlp(nn.Module):
    """A stem, residual blocks and a linear head. x: (batch, features) -> (batch, 1), float32."""

    adapter_targets = {"blocks": r"blocks\.\d+\.linear", "all-linear": r"stem|blocks\.\d+\.linear"}  # noqa: RUF012
    head = ("readout",)
    card = {"architecture": "a residual MLP", "weights": "random", "licence": "Apache-2.0"}  # noqa: RUF012

    def __init__(self, features: int, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.features = features
        self.stem = nn.Linear(features, width)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(depth))
        self.readout = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Predict. x: (batch, features)."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.readout(x)

    def example_input(self) -> tuple[Tensor, ...]:
        """Two rows of zeros."""
        return (torch.zeros(2, self.features),)


def mlp(
    *,
    features: int = 8,
    width: int = 16,
    depth: int = 2,
    dropout: float = 0.0,
    init_seed: int = 0,
) -> nn.Module:
    """A small random network.

    Args:
        features: length of an input row.
        width: length of a hidden row.
        depth: number of residual blocks.
        dropout: share of a block's output that is dropped in training.
        init_seed: the seed of the frozen weights.

    Returns:
        A module, (batch, features) -> (batch, 1), float32, no units.

    Source: none, it is a toy.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        return Mlp(features, width, depth, dropout)


class Rows(Dataset[tuple[Tensor, Tensor]]):
    """Rows x: (features,) and targets y: (1,); `jitter` is drawn again whenever a row is read."""

    def __init__(self, n: int, features: int, seed: int, jitter: float) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(n, features, generator=generator)
        self.y = torch.sin(self.x.sum(1, keepdim=True))
        self.jitter = jitter

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index] + self.jitter * torch.randn(self.x.shape[1]), self.y[index]


class RegressionData(L.LightningDataModule):
    """Seeded rows (batch, features) and targets (batch, 1), float32, no units.

    Args:
        n: rows to train on.
        features: length of a row.
        batch_size: rows of a step.
        num_workers: processes that read.
        jitter: noise added to a training row whenever it is read.
        nan_at: the training row whose target is NaN. If negative, no target is.
        data_seed: the seed of the rows; validation uses the next one.

    Source: none, it is a toy.
    """

    def __init__(
        self,
        *,
        n: int = 64,
        features: int = 8,
        batch_size: int = 8,
        num_workers: int = 0,
        jitter: float = 0.0,
        nan_at: int = -1,
        data_seed: int = 0,
    ) -> None:
        super().__init__()
        self.batch_size, self.num_workers = batch_size, num_workers
        self.train = Rows(n, features, data_seed, jitter)
        self.val = Rows(max(n // 4, 2), features, data_seed + 1, 0.0)
        self.held_out = Rows(max(n // 4, 2), features, data_seed + 2, 0.0)
        if nan_at >= 0:
            self.train.y[nan_at] = float("nan")

    def train_dataloader(self) -> DataLoader:
        """Shuffled rows."""
        return DataLoader(self.train, self.batch_size, shuffle=True, num_workers=self.num_workers)

    def val_dataloader(self) -> DataLoader:
        """Rows of another seed, in order."""
        return DataLoader(self.val, self.batch_size)

    def test_dataloader(self) -> DataLoader:
        """Rows of a third seed, in order."""
        return DataLoader(self.held_out, self.batch_size)


class Regress(Task):
    """Mean squared error of (batch, 1) float32 against targets of that shape, no units.

    Source: none, it is a toy.
    """

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """The squared error, and the absolute one to log."""
        x, y = batch
        error = self.backbone(x) - y
        return {"loss": error.square().mean(), "mae": error.abs().mean()}

    def metrics(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """The largest error."""
        x, y = batch
        return {"worst": (self.backbone(x) - y).abs().max()}

    def draw(self, batch: tuple[Tensor, Tensor]) -> dict[str, Figure]:
        """Prediction against target."""
        x, y = batch
        figure = Figure(figsize=(3, 3), dpi=60)
        axes = figure.subplots()
        axes.plot(y.flatten().cpu(), self.backbone(x).detach().flatten().cpu(), "o")
        axes.set(xlabel="target", ylabel="prediction")
        return {"prediction": figure}
