"""Denoised files preserve amplitudes and dead traces, for any weights of the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.records import Denoiser
from scionwood_seismic.readers.segy import SegyReader

UNGATED = DenoiseOptions(gate="off", tile=64)


def read(path: Path) -> np.ndarray:
    with SegyReader(path) as reader:
        return np.concatenate([record.data for record in reader])


class Touchy(nn.Module):
    """A model that shows seams: its change depends on the tile and on the amplitude."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor, mask: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        bent = torch.tanh(x) * self.one
        return bent - 0.5 * bent.mean(dim=(-2, -1), keepdim=True)


def test_parts_of_a_long_gather_have_no_seam_and_share_its_amplitude(segy):
    """400 traces of rising amplitude at once, and in parts of 128.

    The largest step at the edges of parts is at most 1.05 times that between tiles.
    """
    data = np.linspace(1, 4, 400)[:, None] * (1.5 + np.sin(np.arange(48)))
    noisy = segy(data=data[None].astype(np.float32))
    results = []
    for block in (400, 128):
        with SegyReader(noisy, gather="fldr", block=block) as reader:
            edges = [int(i) for r in reader for i in r.coords["trace"][[0, -1]]][1:-1]
            clean = noisy.with_name(f"{block}.sgy")
            denoiser = Denoiser(Touchy(), options=UNGATED, identity={}, unit=reader.unit)
            reader.rewrite(clean, denoiser)
        results.append(read(clean).astype(float))
    whole, parts = results
    assert len(edges) >= 6
    steps = np.sqrt((np.diff(parts, axis=0) ** 2).mean(axis=1))
    seams = sorted({i for edge in edges for i in (edge - 1, edge)})
    assert steps[seams].max() <= 1.05 * np.delete(steps, seams).max()
    assert np.abs(parts - whole).max() < 0.15 * np.abs(whole).max()
