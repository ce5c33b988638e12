"""The commands: simulate, predict, evaluate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from case_table import table

from scionwood import cli
from scionwood.cli import main
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import to_series
from scionwood_crash.readers import open_series, write_series
from scionwood_crash.suite import simulate as simulate_module
from scionwood_crash.suite.families import FAMILIES
from scionwood_crash.suite.record import Simulation


def crash(*options: object) -> int:
    return main(["crash", "simulate", *map(str, options)])


def test_simulate_writes_a_file_and_then_skips_it(tmp_path, capsys, monkeypatch):
    coarse = FAMILIES["tube"](np.random.default_rng(2), 30.0)
    monkeypatch.setattr(simulate_module, "design", lambda *_: coarse)
    options = (tmp_path, "--family", "tube", "--seed", 2, "--n", 1, "--format", "record")
    assert crash(*options) == 0
    assert "1 simulated, 0 skipped, 0 failed" in capsys.readouterr().out
    made = Simulation.load(tmp_path / "tube-2-0000.safetensors")
    assert crash(*options) == 0
    assert "0 simulated, 1 skipped, 0 failed" in capsys.readouterr().out
    assert made.displacement.shape == (21, len(made.nodes), 3)
    assert made.plastic_strain.shape == (21, len(made.quads))
    assert 5 < np.abs(made.displacement).max() < 200
    assert not made.displacement[:, made.clamped].any()


@table("options", [("--family", "door"), ("--n", 0), ("--jobs", 0)])
def test_simulate_refuses_bad_options(options, tmp_path):
    assert crash(tmp_path / "out", *options) == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("format", "suffix"), [("vtu", ".pvd"), ("d3plot", ".d3plot")])
def test_simulate_writes_files_that_hold_the_simulation(format, suffix, tmp_path):
    assert crash(tmp_path, "--family", "tube", "--n", 2, "--format", format) == 0  # two processes
    series, wanted = (
        open_series(tmp_path / f"tube-0-0001{suffix}"),
        simulate_module.simulate("tube", 0, 1),
    )
    np.testing.assert_allclose(series.displacement(), wanted.displacement, atol=1e-4)
    np.testing.assert_allclose(series.times, wanted.times, rtol=1e-6)
    np.testing.assert_array_equal(series.mesh.cells, wanted.quads)


def test_predict_and_evaluate_from_the_command_line(suite, run, tmp_path, capsys):
    part: Part = suite.parts("test")[0]
    true, out = tmp_path / "true.vtp", tmp_path / "out.pvd"
    write_series(true, to_series(part))
    command = ["crash", "predict", str(true), str(out), "--run", str(run)]
    assert cli.main(command) == 0
    predicted = open_series(out)
    assert predicted.displacement().shape == part.displacement.shape
    np.testing.assert_allclose(predicted.times, part.times)
    assert not predicted.displacement()[:, part.clamped].any()
    assert cli.main(command) == 2, "the target is there already"
    capsys.readouterr()
    figures = tmp_path / "figures"
    options = ["--figures", str(figures), "--json"]
    assert cli.main(["crash", "evaluate", str(out), str(true), *options]) == 0
    errors = json.loads(capsys.readouterr().out)
    assert len(errors["by_time"]["med"]) == 3
    assert errors["by_time"]["med"][0] == pytest.approx(0, abs=1e-6)
    assert {path.name for path in figures.iterdir()} == {
        "deformed.png",
        "deformed.gif",
        "energy.png",
        "intrusion.png",
        "error.png",
        f"probe-{errors['intrusion_node'][0]}.png",
        "report.html",
    }
    assert str(round(errors["med"], 4))[:4] in (figures / "report.html").read_text()
    assert "was not measured" in errors["familiarity"], "two parts trained the run"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* ELEMENT_.* are left out:UserWarning")
@pytest.mark.filterwarnings("ignore:.*JOINT_SCREW are not read as links:UserWarning")
@table(
    ("deck", "part", "points"),
    [("wheel.k", None, 11825), ("bird.k", None, 5185), ("EXP_SC_JOINT_SCREW.key", 1000000, 4576)],
)
def test_predicts_on_real_decks(run, tmp_path, deck, part, points, capsys):
    """These parts are not profiles, so their grid is projected."""
    decks = Path(pytest.importorskip("lsdyna_mesh_reader").__file__).parent / "examples"
    options = ["--clamped", "low", "--thickness", "1", "--fallback", "project", "--run", str(run)]
    options += [] if part is None else ["--part", str(part)]
    out = tmp_path / "out.zarr"
    assert cli.main(["crash", "predict", str(decks / deck), str(out), *options]) == 0
    said = capsys.readouterr().out
    assert "assumed, since nothing states it: direction 0 0 -1, speed 7 m/s, mass 25 kg" in said
    moved = open_series(out).displacement()
    assert moved.shape == (3, points, 3)
    assert np.isfinite(moved).all()
    assert moved.any()
