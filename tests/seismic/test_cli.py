"""The commands, from the command line to the files, on a run that was trained for two steps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood.authoring import weights_digest
from scionwood.cli import main
from scionwood_seismic.readers.segy import SegyReader
from scionwood_seismic.synth.field_signal import draw_record


def read(path: Path) -> np.ndarray:
    with SegyReader(path) as reader:
        return next(iter(reader)).data


def denoise(noisy: Path, clean: Path, run: Path, *options: str) -> int:
    """Denoise without the harm gate, which a run of two steps does not pass."""
    command = ["seismic", "denoise", str(noisy), str(clean), "--run", str(run), "--gate", "off"]
    return main([*command, *options])


def test_denoise_keeps_headers_and_dead_traces(segy, headers, gathers, run):
    gathers[0, 5], gathers[1, 7] = 0, np.nan
    noisy = segy(data=gathers)
    clean, noise = (noisy.with_name(n) for n in ("clean.sgy", "noise.sgy"))
    assert denoise(noisy, clean, run, "--save-noise", str(noise)) == 0
    assert headers(clean, 48) == headers(noise, 48) == headers(noisy, 48)
    before, after = read(noisy), read(clean)
    assert after[[5, 31]].tobytes() == before[[5, 31]].tobytes()
    assert (np.delete(after, [5, 31], 0) != np.delete(before, [5, 31], 0)).any(axis=1).all()
    np.testing.assert_allclose(after + read(noise), before, rtol=1e-5, atol=1e-4)
    record = json.loads(clean.with_name("clean.sgy.json").read_text())
    assert (record["run"], record["digest"]) == (run.name, weights_digest(run))


def test_keeps_existing_outputs_without_force(segy, run, capsys):
    noisy = segy()
    for option in ([], ["--save-noise"], ["--qc"]):
        output = noisy.with_name("mine.png")
        output.write_text("mine")
        clean = noisy.with_name("clean.sgy") if option else output
        extra = [*option, str(output)] if option else []
        assert denoise(noisy, clean, run, *extra) == 2
        assert (
            "mine.png: it exists already. Choose another name, or replace it with --force"
            in capsys.readouterr().err
        )
        assert output.read_text() == "mine"
        assert not noisy.with_name("clean.sgy").exists()


def test_a_file_may_replace_itself(segy, run):
    noisy = segy()
    clean = noisy.with_name("clean.sgy")
    assert denoise(noisy, clean, run) == 0
    assert denoise(noisy, noisy, run, "--force") == 0
    assert noisy.read_bytes() == clean.read_bytes()


def test_writes_nothing_on_a_full_disk(segy, run, small_disk, capsys):
    noisy = segy(data=np.ones((2, 100, 200)))
    assert denoise(noisy, small_disk / "clean.sgy", run) == 2
    assert "No space left" in capsys.readouterr().err
    assert list(small_disk.iterdir()) == []


def test_refuses_an_adapter_of_another_base_model(segy, run, tmp_path, capsys):
    other = shutil.copytree(run, tmp_path / "other")
    recipe = other / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("weights: shipped", "weights: none"))
    (other / "files.json").unlink()  # which would tell of the change first
    noisy = segy()
    assert denoise(noisy, noisy.with_name("clean.sgy"), other) == 2
    assert "base" in capsys.readouterr().err
    assert not noisy.with_name("clean.sgy").exists()


def test_the_gate_judges_what_is_adapted_to_each_gather(segy, run, capsys):
    rng = np.random.default_rng(0)
    layers = draw_record(rng, (24, 160), ["layers"]) + 0.2 * rng.standard_normal((24, 160))
    noisy = segy(data=layers[None].astype(np.float32))
    adapted = noisy.with_name("adapted.sgy")
    options = ("--tta", "matched", "--noise-window", "0:0.06", "--gate", "report")
    assert denoise(noisy, adapted, run, *options) == 0
    said = capsys.readouterr().out
    assert "fldr 100: " in said
    assert "noise from 0 to 0.06 s" in said
    assert " events keep " in said
    sidecar = json.loads(adapted.with_name("adapted.sgy.json").read_text())
    assert sum(sidecar["adaptation"].values()) == 1
    assert sidecar["work"]["tta"]["window"] == [0.0, 0.06]
    (report,) = sidecar["reports"]
    outcome = report["adaptation"]
    assert outcome["after"] <= outcome["before"]
    assert f"objective {outcome['before']:.3f} before, {outcome['after']:.3f} after" in said
    assert report["recovered"]["strong own"] < 1
    assert sidecar["light"] != "grey"


def test_a_rounded_file_is_reported_once(segy, gathers, run, capsys):
    noisy = segy(data=(gathers * 50).round(), format=3)
    noise = noisy.with_name("noise.sgy")
    assert denoise(noisy, noisy.with_name("clean.sgy"), run, "--save-noise", str(noise)) == 0
    assert capsys.readouterr().out.count("samples were rounded") == 1


@table(
    ("options", "rule"),
    [
        (("--noise-window", "0.2"), "two times in s"),
        (("--noise-window", "0.3:0.2"), "two times in s"),
        (("--tile", "64", "--overlap", "40"), "tile 64, overlap 40: tiles overlap by at least 1"),
        (("--device", "abacus"), "device 'abacus'"),
        (("--run", "nowhere"), "nowhere"),
        (("cut",), "in.sgy: the SEG-Y file ends"),
    ],
)
def test_refuses_options_and_files_before_anything_is_written(segy, run, capsys, options, rule):
    noisy = segy()
    if options == ("cut",):
        noisy.write_bytes(noisy.read_bytes()[:-10])
        options = ()
    assert denoise(noisy, noisy.with_name("out.sgy"), run, *options) == 2
    assert rule in " ".join(capsys.readouterr().err.split())
    assert not noisy.with_name("out.sgy").exists()


class TestSimulateAndCompare:
    @pytest.fixture
    def files(self, tmp_path: Path) -> list[str]:
        return [str(tmp_path / name) for name in ("reference.sgy", "noisy.sgy", "clean.sgy")]

    def simulate(self, files: list[str], *options: str) -> int:
        size = ["--n", "4", "--n-traces", "48", "--n-samples", "64"]
        return main(["seismic", "simulate", files[1], files[0], *size, *options])

    def test_simulated_files_have_the_requested_snr(self, files):
        assert self.simulate(files, "--snr", "6", "--noise", "white,swell") == 0
        clean, noisy = read(Path(files[0])), read(Path(files[1]))
        ratio = 10 * np.log10((clean**2).sum() / ((noisy - clean) ** 2).sum())
        assert ratio == pytest.approx(6, abs=0.01)

    def test_the_table_compares_all_methods(self, files, run, tmp_path, capsys):
        kinds = ["--noise", "white,swell"]
        assert self.simulate(files, *kinds) == 0
        assert denoise(Path(files[1]), Path(files[2]), run) == 0
        figures = tmp_path / "figures"
        capsys.readouterr()
        assert main(["seismic", "compare", *files, *kinds, "--figures", str(figures)]) == 0
        table = capsys.readouterr().out
        for word in ("identity", "band-pass", "f-k", "f-x SSA", "white", "swell", "mean"):
            assert word in table
        assert (figures / "denoised.png").is_file()

    def test_refuses_files_of_different_simulations(self, files, segy, capsys):
        assert self.simulate(files) == 0
        assert main(["seismic", "compare", files[0], files[1], str(segy())]) == 2
        assert "(gathers, traces, samples) differ" in capsys.readouterr().err


def test_simulated_gathers_may_start_without_signal(tmp_path):
    noisy, reference = tmp_path / "noisy.sgy", tmp_path / "reference.sgy"
    command = ["seismic", "simulate", str(noisy), str(reference), "--quiet", "0.02"]
    size = ["--n", "2", "--n-traces", "16", "--n-samples", "32", "--noise", "scattered"]
    assert main([*command, *size]) == 0
    assert not read(reference)[:, :10].any()
    assert read(reference)[:, 10:].any()
    assert read(noisy)[:, :10].all()
