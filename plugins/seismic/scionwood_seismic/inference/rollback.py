"""Measure whether an adapted model harms events, so that an adaptation can be rolled back."""

from __future__ import annotations

from typing import final

import numpy as np
from torch import Tensor, nn

from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.gate import GateOptions
from scionwood_seismic.synth.canonical import Domain

PART = (64, 256)
"""Traces and samples of a gather, from its middle, that are tested at most."""


def recovered_amplitude(model: nn.Module, data: np.ndarray, domain: Domain = "shot") -> float:
    """Return the amplitude that comes back of strong events, as a share: the mean of their kinds.

    Args:
        model: a denoiser; see `denoise_array`.
        data: (trace, time), any unit; finite.
        domain: the kind of record.

    Returns:
        The amplitude that the harm gate recovers of events of four times the local RMS: flat ones,
        those along the slopes of the gather, and patches. 1 if the gather is too small for a test.

    Example:
        >>> from scionwood_seismic.backbones import conv_unet
        >>> gather = np.random.default_rng(0).standard_normal((24, 200)).astype(np.float32)
        >>> recovered_amplitude(conv_unet(), gather) < 0.9  # without training, it harms
        True
    """
    first = [max(0, (n - most) // 2) for n, most in zip(data.shape, PART, strict=True)]
    part = data[first[0] : first[0] + PART[0], first[1] : first[1] + PART[1]]
    report = denoise_record(
        _Alone(model), part, dt=1.0, domain=domain, gate=GateOptions(action="report")
    ).report
    strong = [value for name, value in report.recovered.items() if name.startswith("strong")]
    return float(np.mean(strong)) if strong else 1.0


@final
class _Alone(nn.Module):
    """A model that is called with the record alone, without its mask and noise level."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, record: Tensor, mask: Tensor, level: Tensor) -> Tensor:
        denoised: Tensor = self.model(record)
        return denoised * mask
