"""Templates: normalised cross-correlation of log-mel spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_audio.model.mel import FRAME, HOP, RATE, LogMel

LONGEST = 2 * RATE
"""Samples of a call that a template holds, from its beginning: 2 s."""

BLOCK = 6 * RATE
"""Samples that templates hear at once."""


@final
class Templates(nn.Module):
    """Score of a position: the best correlation of the templates that cover it.

    Shapes: (batch, sample) float32 to (batch, sample / 320) float32 from -1 to 1.

    Units: samples from -1 to 1 at 16 kHz.

    Source: J. P. Lewis, Fast normalized cross-correlation (1995).
    """

    def __init__(self, calls: Sequence[np.ndarray]) -> None:
        super().__init__()
        self.mel, self.templates = LogMel(), list[Tensor]()
        for call in calls:
            picture = self.mel(torch.from_numpy(call[:LONGEST]).float()[None])[0]
            centred = picture - picture.mean()
            self.templates.append(centred / centred.norm().clamp(min=1e-6))
        longest = max(template.shape[1] for template in self.templates) * HOP
        self.samples, self.hop = BLOCK, max(FRAME, (BLOCK - longest) // FRAME * FRAME)

    @torch.no_grad()
    def forward(self, samples: Tensor) -> Tensor:
        """Return the score of each position."""
        mel = self.mel(samples)
        column, square = mel.sum(1, keepdim=True), mel.square().sum(1, keepdim=True)
        best = torch.full_like(column, -1.0)
        for template in self.templates:
            length = template.shape[1]
            if length > mel.shape[-1]:
                continue
            total, energy = (length * F.avg_pool1d(part, length, 1) for part in (column, square))
            spread = (energy - total.square() / template.numel()).clamp(min=1e-6).sqrt()
            match = F.conv1d(mel, template[None]) / spread
            padded = F.pad(match, (length - 1, length - 1), value=-1.0)
            best = torch.maximum(best, F.max_pool1d(padded, length, 1))
        return best[:, 0, :: FRAME // HOP][:, : samples.shape[1] // FRAME]
