"""Templates: normalised cross-correlation of log-mel spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_audio.model.mel import FRAME, HOP, LogMel

LONGEST = 2 * FRAME * 50
"""Samples of a call that a template holds, from its beginning: 2 s."""


@final
class Templates(nn.Module):
    """Score of a position: the best correlation of the templates that cover it.

    Shapes: (sample,) float32 to (sample / 320,) float32 from -1 to 1.

    Units: samples from -1 to 1 at 16 kHz.

    Source: J. P. Lewis, Fast normalized cross-correlation (1995).
    """

    def __init__(self, calls: Sequence[np.ndarray]) -> None:
        super().__init__()
        self.mel = LogMel()
        self.templates = []
        for call in calls:
            picture = self.mel(torch.from_numpy(call[:LONGEST]).float()[None])[0]
            centred = picture - picture.mean()
            self.templates.append(centred / centred.norm().clamp(min=1e-6))

    @torch.no_grad()
    def forward(self, samples: Tensor) -> Tensor:
        """Return the score of each position."""
        mel = self.mel(samples[None])
        best = torch.full((mel.shape[-1],), -1.0)
        for template in self.templates:
            length = template.shape[1]
            if length > mel.shape[-1]:
                continue
            match = F.conv1d(mel, template[None])[0, 0]
            column, square = mel.sum(1), mel.square().sum(1)
            total, energy = _running(column, length), _running(square, length)
            spread = (energy - total.square() / template.numel()).clamp(min=1e-6).sqrt()
            padded = F.pad(match / spread, (length - 1, length - 1), value=-1.0)
            best = torch.maximum(best, F.max_pool1d(padded[None], length, 1)[0])
        return best[:: FRAME // HOP][: len(samples) // FRAME]


def _running(columns: Tensor, length: int) -> Tensor:
    return F.avg_pool1d(columns, length, 1)[0] * length
