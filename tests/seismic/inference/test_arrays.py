"""Arrays and files in tiles and in parts: amplitudes, dead traces, and no seams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from case_table import table
from torch import nn

from scionwood_seismic.backbones import dinov3_unet
from scionwood_seismic.data.normalise import scale
from scionwood_seismic.inference.arrays import denoise_array
from scionwood_seismic.inference.options import DenoiseOptions
from scionwood_seismic.inference.records import Denoiser
from scionwood_seismic.readers.segy import SegyReader


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return dinov3_unet().eval()


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((70, 90)).astype(np.float32)


def test_amplitudes_are_kept(model, data):
    """f(a x) = a f(x), from strain rates to counts."""
    small = {"tile": 48, "overlap": 16}
    plain = denoise_array(model, data, **small)
    for factor in (1e-9, 1e-3, 1e6):
        result = denoise_array(model, data * np.float32(factor), **small)
        expected = plain * np.float32(factor)
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_dead_traces_keep_their_bits_and_do_not_change_the_others(model, data):
    plain = denoise_array(model, data)
    result = denoise_array(model, np.insert(data, 20, 0, axis=0))
    np.testing.assert_array_equal(np.delete(result, 20, axis=0), plain)
    data[3], data[4] = 0, -7.25
    data[9, 5], data[10, 0] = np.nan, -np.inf
    result, kept = denoise_array(model, data), [3, 4, 9, 10]
    assert result[kept].tobytes() == data[kept].tobytes()
    assert np.isfinite(np.delete(result, kept, axis=0)).all()
    shares: list[float] = []
    none = np.full((4, 20), np.nan, np.float32)
    assert denoise_array(model, none, progress=shares.append).tobytes() == none.tobytes()
    assert shares == [1.0]


@table("shape", [(70, 90), (33, 200), (200, 17), (48, 48)])
def test_tiles_of_a_local_model_add_up_to_the_whole(shape):
    """A 5 x 5 filter on tiles equals the filter on the gather, except at the edges."""
    data = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    blur = nn.Conv2d(1, 1, 5, padding=2, padding_mode="replicate", bias=False)
    with torch.no_grad():
        whole = blur(torch.from_numpy(data / scale(data))[None, None])[0, 0].numpy() * scale(data)
    tiled = denoise_array(blur, data, tile=48, overlap=16)
    close = np.abs(tiled - whole) < 1e-4 * np.abs(whole).max()
    # Two samples at each tile's edge see a replicated border, at the flank's lowest weights.
    assert close.mean() > 0.7
    assert np.abs(tiled - whole).max() < 0.1 * np.abs(whole).max()


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
