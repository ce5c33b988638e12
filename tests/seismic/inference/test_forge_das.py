"""Denoise a real DAS window of Utah FORGE, if the shared data folder exists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scionwood.cli import main
from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.readers.segy import SegyReader

WINDOW = Path(__file__).parents[4] / "shared/data/seismic/forge0723.bin"


@pytest.fixture
def window(tmp_path: Path) -> Path:
    """Part of the window as SEG-Y: 96 of 960 channels, 500 samples."""
    if not WINDOW.is_file():
        pytest.skip(f"needs the real DAS window {WINDOW.name} in shared/data/seismic")
    data = np.fromfile(WINDOW, "<f4").reshape(960, 500)[300:396]  # column-major (500, 960)
    path = tmp_path / "forge.sgy"
    write_segy(path, data[None], dt=0.0005)
    return path


def denoised(window: Path, run: Path, *options: str) -> tuple[np.ndarray, np.ndarray]:
    """Denoise the window by command, and return it and what came of it."""
    clean = window.with_name("clean.sgy")
    assert main(["seismic", "denoise", str(window), str(clean), "--run", str(run), *options]) == 0
    with SegyReader(window) as before, SegyReader(clean) as after:
        return next(iter(before)).data, next(iter(after)).data


def test_denoises_its_lower_frequencies(window, run, capsys):
    with SegyReader(window) as segy:
        data = next(iter(segy)).data
    low = np.apply_along_axis(np.convolve, 1, data, np.full(4, 0.25), "same").astype(np.float32)
    window = window.with_name("low.sgy")
    write_segy(window, low[None], dt=0.0005)
    noisy, clean = denoised(window, run, "--gate", "off")
    assert np.isfinite(clean).all()
    assert 0 < (clean**2).sum() < (noisy**2).sum()
    output = capsys.readouterr().out
    assert "96 traces" in output
    assert "local similarity" in output


def test_the_gate_passes_its_noise_through_and_says_why(window, run, capsys):
    noisy, clean = denoised(window, run)
    np.testing.assert_array_equal(clean, noisy)
    assert "its dominant period is 2.1 samples" in capsys.readouterr().out
