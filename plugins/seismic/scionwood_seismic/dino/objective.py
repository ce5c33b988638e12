"""The objective of test-time adaptation: how far the removed part is from the noise of a gather."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from scionwood_seismic.kernels import moments

Objective = Literal["matched", "kurtosis"]

Reference = tuple[float, float | None]
"""Excess kurtosis and natural logarithm of the standard deviation; None: it is not matched."""

GAUSSIAN = 3.0
"""Excess kurtosis above which noise is not Gaussian enough for the objective `kurtosis`."""

HEAVY = 30.0
"""Excess kurtosis above which a few bursts dominate the moments of a noise window.

In an experiment, adaptation to such erratic noise lost up to 3 dB.
"""

FAINT = 0.02
"""RMS of the noise window, as a share of that of the gather, below which nothing has to go."""


def reference_of(
    data: np.ndarray, where: np.ndarray, objective: Objective
) -> tuple[Reference, str]:
    """Return the moments to match, and why adaptation is impossible; empty if it is not.

    Args:
        data: the gather, (trace, time).
        where: the noise window, true inside, of the same shape.
        objective: what is matched.
    """
    noise = data[where]
    if noise.size < 8 * len(data):
        return (0.0, None), "the noise window holds fewer than 8 samples of each trace"
    values = moments(torch.from_numpy(noise[None].astype(np.float32)))
    kurtosis, log_std = float(values.kurtosis), float(values.log_std)
    if noise.std() < FAINT * data.std():
        return (0.0, None), "the noise window is almost silent, so there is little to remove"
    if objective == "matched":
        problem = f"kurtosis {kurtosis:.0f} of the noise window: bursts decide its moments"
        return (kurtosis, log_std), problem if kurtosis > HEAVY else ""
    problem = f"kurtosis {kurtosis:.1f} of the noise window: the noise is not Gaussian"
    return (0.0, None), problem if kurtosis > GAUSSIAN else ""


def mismatch_of(removed: Tensor, reference: Reference) -> Tensor:
    """Return the objective for a removed part, a scalar.

    Args:
        removed: what was removed, any shape.
        reference: the moments to match.
    """
    values = moments(removed.flatten(), dims=(-1,))
    total = (_compress(values.kurtosis) - _compress(torch.tensor(reference[0]))).square()
    if reference[1] is not None:
        total = total + (values.log_std - reference[1]).square()
    return total


def _compress(kurtosis: Tensor) -> Tensor:
    """Return `sign(k) ln(1 + |k|)`, because spikes give kurtoses in the hundreds."""
    return kurtosis.sign() * torch.log1p(kurtosis.abs())
