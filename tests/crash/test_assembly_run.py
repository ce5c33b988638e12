"""From a run on assemblies to predictions of files with two and with eight parts."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from scionwood import RecipeError, fit
from scionwood.recipes.recipe import resolve
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.inference import Predictor
from scionwood_crash.parts.series import Setup, from_series, to_series
from scionwood_crash.readers import open_series, write_series

SHORT = {"element_size": 40.0, "duration": 0.6, "frames": 3, "n_train": 1, "n_val": 1, "n_test": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = ["data.families=[hat_plate]", "backbone.links=true"]
    recipe = resolve("crash/pretrain", options, smoke=True)
    return fit(recipe, run_dir=tmp_path_factory.mktemp("runs") / "run")


@pytest.mark.slow
def test_a_d3plot_of_two_parts(run, tmp_path):
    part = SuiteParts(families=["hat_plate"], **SHORT).parts("train")[0]
    write_series(tmp_path / "d3plot", to_series(part))
    series = open_series(tmp_path / "d3plot", units="mm, ms, kg")
    assert np.unique(series.mesh.part_ids).tolist() == [1, 2]
    predictor = Predictor(run)
    predicted = predictor.on_series(series, Setup(clamped="still"))
    assert predicted.displacement().shape == part.displacement.shape
    assert np.isfinite(predicted.displacement()).all()
    with pytest.raises(RecipeError, match=r"assembly of 2 pieces.*single parts"):
        Predictor("crash/transfer_lora").on_series(series, Setup(clamped="still"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*ELEMENT_SOLID are left out")
@pytest.mark.filterwarnings("ignore:.*JOINT_SCREW are not read as links")
def test_a_public_deck_of_eight_parts(run):
    deck = files("lsdyna_mesh_reader") / "examples" / "EXP_SC_JOINT_SCREW.key"
    series = open_series(Path(str(deck)), units="mm, ms, kg", thickness=1.5)
    assert len(np.unique(series.mesh.part_ids)) == 8
    predictor = Predictor(run, fallback="project")
    predicted = predictor.on_series(series, Setup(clamped="ends"))
    assert np.isfinite(predicted.displacement()).all()
    known = from_series(series, Setup(clamped="ends"), frames=3)
    assert predictor.encoder.encode(known).graph.assembly.tolist() == [0] * 8


def test_files_keep_the_materials_of_the_pieces(tmp_path):
    part = SuiteParts(families=["bumper_boxes"], **SHORT).parts("train")[0]
    assert part.links is not None
    write_series(tmp_path / "run.pvd", to_series(part))
    again = from_series(open_series(tmp_path / "run.pvd"))
    assert again.materials == part.materials
    assert len({sheet.yield_stress for sheet in again.materials}) == 2
    np.testing.assert_array_equal(again.sheet, part.sheet)
    single = replace(part, materials=(), sheet=None)
    assert from_series(to_series(single)).materials == ()
