"""Probes of a denoiser: gathers whose right answer is known without any data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from scionwood import Task
from scionwood.authoring import ProbeResult
from scionwood_seismic.data.normalise import scale

NEAR = 4
"""Traces and samples around a spike that belong to it: half the support of a short wavelet."""


@torch.no_grad()
def denoise(task: Task, folder: Path | None = None) -> list[ProbeResult]:
    """Probe a denoiser with noise alone, silence, a spike, polarity, flat events and scale.

    Shapes: gathers of (1, 1, trace, time), float32; three components for a model of stations.

    Units: amplitudes divided by `normalise.scale` of the gather; values are shares.

    Args:
        task: a task of this plugin, whose model maps a gather to the denoised gather.
        folder: the run folder, which these probes do not need.

    Returns:
        Eight results.

    Example:
        >>> from scionwood_seismic.evaluation.behaviour import denoise
        >>> task = scionwood.load_run("seismic/denoise")
        >>> {probe.name: probe.passed for probe in denoise(task)}["silence"]
        True
    """
    shape = _shape(task)
    generator = torch.Generator().manual_seed(0)
    noise = _scaled(torch.randn(1, 1, *shape, generator=generator))
    events = _scaled(_flat(shape))
    mixed = _scaled(_flat(shape) + 0.5 * _rms(_flat(shape)) * noise)
    outputs = {name: _run(task, x) for name, x in {"noise": noise, "mixed": mixed}.items()}
    flat = _run(task, events)
    return [
        _at_most("noise alone", _energy(outputs["noise"]) / _energy(noise), 0.25, NOISE),
        _at_most("silence", _rms(_run(task, torch.zeros_like(noise))), 0.05, SILENCE),
        _at_most("spike", _leak(task, shape, generator), 0.1, SPIKE),
        _at_most("polarity", _apart(-outputs["mixed"], _run(task, -mixed)), 0.2, POLARITY),
        ProbeResult(
            "flat events",
            float((flat * events).sum() / events.square().sum()),
            least=0.8,
            most=1.2,
            reason=FLAT,
        ),
        _at_most("flat events, distortion", _apart(flat, events), 0.5, SHAPE),
        ProbeResult(
            "flat events in noise",
            float((outputs["mixed"] * events).sum() / _projection(mixed, events)),
            least=0.7,
            most=1.3,
            reason=WEAK,
        ),
        _at_most("scale", _apart(1.25 * outputs["mixed"], _run(task, 1.25 * mixed)), 0.1, SCALE),
    ]


NOISE = "white noise has no signal, and 6 dB is the least that a denoiser should take from it"
SILENCE = "a dead gather stays dead; 0.05 is a twentieth of the usual amplitude"
SPIKE = "a single sample is no event; what is put elsewhere is made up"
POLARITY = "first motions and reflection coefficients are read from the sign"
FLAT = "flat noise-free events are the easiest signal, and their amplitude is interpreted"
WEAK = "at 6 dB an event is plain to see; less than 0.7 of its amplitude is a loss of 3 dB"
SHAPE = "half of the energy in error is 6 dB, below which a wavelet is not recognised"
SCALE = "the scale of a gather is estimated, and errors of 2 dB are common"


def _at_most(name: str, value: float, limit: float, reason: str) -> ProbeResult:
    return ProbeResult(name, value, most=limit, reason=reason)


def _shape(task: Task) -> tuple[int, int]:
    backbone: Any = task.backbone
    traces = int(backbone.example_input()[0].shape[-2])
    return (traces, 512) if traces < 8 else (64, 128)


def _run(task: Task, gather: Tensor) -> Tensor:
    output: Tensor = task(gather.to(task.device))
    return output.float().cpu()


def _flat(shape: tuple[int, int]) -> Tensor:
    """Return three Ricker wavelets of 16 samples that arrive at all traces at once."""
    t = torch.arange(shape[1])[None]
    trace = torch.zeros(1, shape[1])
    for at, height in ((0.25, 1.0), (0.5, -0.7), (0.75, 0.5)):
        x = (np.pi * (t - round(at * shape[1])) / 16) ** 2
        trace = trace + height * (1 - 2 * x) * torch.exp(-x)
    return trace.expand(shape)[None, None].contiguous()


def _leak(task: Task, shape: tuple[int, int], generator: torch.Generator) -> float:
    """Return the energy that one spike adds away from itself, as a share of the spike's."""
    quiet = 0.05 * torch.randn(1, 1, *shape, generator=generator)
    spiked = quiet.clone()
    trace, sample = shape[0] // 2, shape[1] // 2
    spiked[0, 0, trace, sample] += 8.0
    added = _run(task, spiked) - _run(task, quiet)
    is_far = torch.ones(shape, dtype=torch.bool)
    is_far[max(0, trace - NEAR) : trace + NEAR + 1, sample - NEAR : sample + NEAR + 1] = False
    return float(added[0, 0][is_far].square().sum() / 8.0**2)


def _scaled(gather: Tensor) -> Tensor:
    return gather / scale(gather[0, 0].numpy())


def _energy(x: Tensor) -> float:
    return float(x.square().sum())


def _projection(gather: Tensor, events: Tensor) -> float:
    """Return what the product with the events would be if nothing were lost or made up."""
    return float((gather * events).sum())


def _rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def _apart(x: Tensor, y: Tensor) -> float:
    """Return the RMS difference over the RMS of the second."""
    return _rms(x - y) / max(_rms(y), 1e-12)
