"""The commands `simulate` and `compare`, from the command line to the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scionwood.cli import main
from scionwood_seismic.readers.segy import SegyReader

Write = Callable[..., Path]


def read(path: Path) -> np.ndarray:
    with SegyReader(path) as reader:
        return next(iter(reader)).data


def denoise(noisy: Path, clean: Path, run: Path, *options: str) -> int:
    """Denoise without the harm gate, which a run of two steps does not pass."""
    command = ["seismic", "denoise", str(noisy), str(clean), "--run", str(run), "--gate", "off"]
    return main([*command, *options])


class TestSimulateAndCompare:
    @pytest.fixture
    def files(self, tmp_path: Path) -> list[str]:
        return [str(tmp_path / name) for name in ("reference.sgy", "noisy.sgy", "clean.sgy")]

    def simulate(self, files: list[str], *options: str) -> int:
        size = ["--n", "4", "--n-traces", "48", "--n-samples", "64"]
        return main(["seismic", "simulate", files[1], files[0], *size, *options])

    def test_simulated_files_have_the_requested_snr(self, files: list[str]) -> None:
        assert self.simulate(files, "--snr", "6", "--noise", "white,swell") == 0
        clean, noisy = read(Path(files[0])), read(Path(files[1]))
        ratio = 10 * np.log10((clean**2).sum() / ((noisy - clean) ** 2).sum())
        assert ratio == pytest.approx(6, abs=0.01)

    def test_the_seed_determines_the_files(self, files: list[str]) -> None:
        drawn = []
        for seed in ("0", "0", "1"):
            assert self.simulate(files, "--seed", seed, "--force") == 0
            drawn.append(read(Path(files[1])))
        np.testing.assert_array_equal(drawn[0], drawn[1])
        assert (drawn[0] != drawn[2]).any()

    def test_replaces_neither_file_without_force(
        self, files: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path(files[0]).write_text("mine")
        assert self.simulate(files) == 2
        assert "reference.sgy: it exists already" in capsys.readouterr().err
        assert not Path(files[1]).exists()

    def test_refuses_an_unknown_noise_class(
        self, files: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.simulate(files, "--noise", "white,purple") == 2
        assert "noise: purple: one or more of white, band" in capsys.readouterr().err

    def test_the_table_compares_all_methods(
        self, files: list[str], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        kinds = ["--noise", "white,swell"]
        assert self.simulate(files, *kinds) == 0
        assert denoise(Path(files[1]), Path(files[2]), run) == 0
        figures = tmp_path / "figures"
        capsys.readouterr()
        assert main(["seismic", "compare", *files, *kinds, "--figures", str(figures)]) == 0
        table = capsys.readouterr().out
        for word in ("identity", "band-pass", "f-k", "f-x SSA", "white", "swell", "mean"):
            assert word in table
        assert (figures / "denoised.png").read_bytes().startswith(b"\x89PNG")

    def test_refuses_files_of_different_simulations(
        self, files: list[str], segy: Write, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.simulate(files) == 0
        assert main(["seismic", "compare", files[0], files[1], str(segy())]) == 2
        assert "(gathers, traces, samples) differ" in capsys.readouterr().err


def test_simulated_gathers_may_start_without_signal(tmp_path: Path) -> None:
    noisy, reference = tmp_path / "noisy.sgy", tmp_path / "reference.sgy"
    command = ["seismic", "simulate", str(noisy), str(reference), "--quiet", "0.02"]
    size = ["--n", "2", "--n-traces", "16", "--n-samples", "32", "--noise", "scattered"]
    assert main([*command, *size]) == 0
    assert not read(reference)[:, :10].any()
    assert read(reference)[:, 10:].any()
    assert read(noisy)[:, :10].all()
