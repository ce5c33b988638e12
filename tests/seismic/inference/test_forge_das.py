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
    """Part of the window as SEG-Y: 480 of 960 channels, 500 samples."""
    if not WINDOW.is_file():
        pytest.skip(f"needs the real DAS window {WINDOW.name} in shared/data/seismic")
    data = np.fromfile(WINDOW, "<f4").reshape(960, 500)[:480]  # column-major (500, 960)
    path = tmp_path / "forge.sgy"
    write_segy(path, data[None], dt=0.0005)
    return path


def test_denoises_a_real_das_window(
    window: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean, qc = window.with_name("clean.sgy"), window.with_name("qc.png")
    command = ["seismic", "denoise", str(window), str(clean), "--run", str(run)]
    assert main([*command, "--qc", str(qc)]) == 0
    with SegyReader(window) as before, SegyReader(clean) as after:
        noisy, denoised = next(iter(before)).data, next(iter(after)).data
    assert np.isfinite(denoised).all()
    assert 0 < (denoised**2).sum() < (noisy**2).sum()
    output = capsys.readouterr().out
    assert "480 traces" in output
    assert "local similarity" in output
    assert qc.stat().st_size > 10_000
