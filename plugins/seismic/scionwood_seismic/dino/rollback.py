"""Measure whether an adapted model harms events, so that an adaptation can be rolled back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from scionwood_seismic.inference.field import denoise_record
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.synth.canonical import Domain

PART = (64, 256)
"""Traces and samples of a gather, from its middle, that are tested at most."""

TOLERANCE = 0.03
"""By how much the recovered amplitude may fall, and the share of energy removed may be wrong."""


def keep_or_restore(
    model: nn.Module,
    start: Mapping[str, Tensor],
    gathers: Sequence[np.ndarray],
    noise: float | None = None,
    tolerance: float = TOLERANCE,
) -> str:
    """Compare a trained model with its starting weights, and restore these if they are better.

    Args:
        model: the trained denoiser; see `denoise_array`. It has the better weights afterwards.
        start: the starting weights of the parameters that trained, by name.
        gathers: (trace, time) each, in one unit.
        noise: the share of noise in their energy, if it is known from a window without signal.
        tolerance: by how much the recovered amplitude of strong events may fall, if more than the
            noise goes, and by how much more the share of energy removed may differ from `noise`.

    Returns:
        What was decided, with the recovered amplitude and the share of energy removed before and
        after.
    """
    parameters = dict(model.named_parameters())
    trained = {name: parameters[name].detach().clone() for name in start}
    amplitudes, removed = [], []
    for weights in (start, trained):
        _put(parameters, weights)
        amplitudes.append(float(np.mean([recovered_amplitude(model, x) for x in gathers])))
        removed.append(_removed(model, gathers))
    verdict = "kept"
    noise_floor = 0.0 if noise is None else noise
    if amplitudes[1] < amplitudes[0] - tolerance and removed[1] > noise_floor:
        verdict = "rolled back: strong events lost amplitude"
    elif noise is not None and abs(removed[1] - noise) > abs(removed[0] - noise) + tolerance:
        verdict = f"rolled back: {noise:.0%} of the energy is noise"
    if verdict != "kept":
        _put(parameters, start)
    return (
        f"{verdict}; recovered amplitude {amplitudes[0]:.2f} before, {amplitudes[1]:.2f} after; "
        f"energy removed {removed[0]:.0%} before, {removed[1]:.0%} after"
    )


@torch.no_grad()
def _put(parameters: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]) -> None:
    for name, value in weights.items():
        parameters[name].copy_(value)


@torch.no_grad()
def _removed(model: nn.Module, gathers: Sequence[np.ndarray]) -> float:
    """Return the share of the energy of all gathers that a model removes."""
    x = torch.from_numpy(np.stack(gathers))[:, None].to(next(model.parameters()).device)
    return removed_share(x, model(x))


def removed_share(noisy: Tensor, estimate: Tensor) -> float:
    """Return the share of the energy that an estimate of the same shape removes."""
    return float((noisy - estimate).square().sum() / noisy.square().sum())


def spread_tiles(data: np.ndarray, tile: int, limit: int) -> np.ndarray:
    """Return up to `limit` tiles, (tile, 1, trace, time) float32, spread evenly over the gather."""
    size = [min(tile, length) for length in data.shape]
    starts = [
        np.linspace(0, length - n, max(1, round(length / n))).astype(int)
        for length, n in zip(data.shape, size, strict=True)
    ]
    corners = [(i, j) for i in starts[0] for j in starts[1]]
    chosen = {corners[k] for k in np.linspace(0, len(corners) - 1, limit).astype(int)}
    views = [data[i : i + size[0], j : j + size[1]] for i, j in sorted(chosen)]
    return np.stack(views)[:, None].astype(np.float32)


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
    first = [max(0, (n - limit) // 2) for n, limit in zip(data.shape, PART, strict=True)]
    part = data[first[0] : first[0] + PART[0], first[1] : first[1] + PART[1]]
    options = DenoiseOptions(gate="report")
    report = denoise_record(_Alone(model), part, options, dt=1.0, domain=domain).report
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
