"""Networks with a known effect, and gathers with known events, for the tests of the harm gate."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor, nn


class Known(nn.Module):
    """A network whose effect is known; it has a parameter, since networks have one."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))


@final
class Scaled(Known):
    """Multiply everything, so that each event keeps the same share of its amplitude."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, record: Tensor, mask: Tensor, level: Tensor) -> Tensor:
        return self.factor * self.one * record


@final
class Smoothed(Known):
    """Take the mean over 9 traces, or over 9 samples of a record with few traces."""

    def forward(self, record: Tensor, mask: Tensor, level: Tensor) -> Tensor:
        size = (9, 1) if record.shape[-2] > 9 else (1, 9)
        around = size[0] // 2, size[1] // 2
        mean = nn.functional.avg_pool2d(record, size, 1, around, count_include_pad=False)
        return self.one * mean * mask


@final
class WithoutFlat(Known):
    """Subtract the mean trace: flat events go, and everything else stays."""

    def forward(self, record: Tensor, mask: Tensor, level: Tensor) -> Tensor:
        return record * self.one - record.mean(dim=-2, keepdim=True) * mask


@final
class Noisy(Known):
    """Add noise of the highest frequency that a trace can have."""

    def forward(self, record: Tensor, mask: Tensor, level: Tensor) -> Tensor:
        sign = (-1.0) ** torch.arange(record.shape[-1])
        return record * self.one + 0.05 * record.std() * sign * mask


@final
class Silent(Known):
    """Remove everything."""

    def forward(self, record: Tensor, mask: Tensor, level: Tensor) -> Tensor:
        return 0 * record * self.one


def events(slope: float, *, traces: int = 48, samples: int = 256, period: float = 12) -> np.ndarray:
    """Return five Ricker events of a slope in samples per trace, (trace, time) float32."""
    time, trace = np.arange(samples), np.arange(traces)[:, None]
    gather = np.zeros((traces, samples))
    for at, size in ((30, 1), (80, -0.7), (130, 0.8), (180, -0.5), (225, 0.9)):
        phase = np.square(np.pi * (time - at - slope * (trace - traces / 2)) / period)
        gather += size * (1 - 2 * phase) * np.exp(-phase)
    return gather.astype(np.float32)


def snr(clean: np.ndarray, estimate: np.ndarray) -> float:
    """Return the SNR of an estimate, dB."""
    error = np.square(clean.astype(float) - estimate).sum()
    return float(10 * np.log10(np.square(clean, dtype=float).sum() / max(error, 1e-30)))


@final
class MeanOfSlices(Known):
    """Return the mean of a record and the slices beside it."""

    def forward(
        self, record: Tensor, mask: Tensor, level: Tensor, beside: Tensor | None = None
    ) -> Tensor:
        slices = record if beside is None else torch.cat([record, beside], 1)
        return slices.mean(dim=1, keepdim=True) * self.one
