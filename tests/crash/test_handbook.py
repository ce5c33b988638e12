"""The walk of the handbook: from a d3plot and a real keyword deck to a result."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import lsdyna_mesh_reader
import numpy as np
import pytest
from page_walk import follow

from scionwood import ReadError
from scionwood_crash import (
    CrashSeries,
    PredictOptions,
    evaluate_series,
    open_series,
    predict_series,
    simulate_series,
    write_series,
)

PAGE = "fields/crash/your-own-file.md"
DECK = Path(lsdyna_mesh_reader.__file__).parent / "examples" / "bracket.k"


def downloads(block: str) -> bool:
    """Whether the commands of a block download a package."""
    return block.startswith("pip download")


def settings(series: CrashSeries) -> dict[str, float]:
    """Return the settings of a design under the names that the page maps."""
    own = dict(series.features)
    speed = own.pop("impactor_speed")
    out = {f"velocity_{x}": speed * own.pop(f"impactor_direction_{x}") for x in "xyz"}
    out["sigma_y"] = 1000 * own.pop("material_yield_stress")
    return {"velocity_z": out["velocity_z"], "sigma_y": out["sigma_y"], "run_id": 1.0, **own}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_reader_of_the_page_gets_from_files_to_a_prediction(tmp_path):
    pytest.importorskip("lasso")
    for folder in ("run", "designs"):
        (tmp_path / folder).mkdir()
    shutil.copy(DECK, tmp_path / "part.k")
    simulated = simulate_series("bumper", seed=7)
    bare = replace(simulated, features={})  # a d3plot states no impact
    write_series(tmp_path / "run" / "d3plot", bare)
    runs = {}
    for index in range(1, 5):
        made = simulate_series("bumper", seed=7, index=index)
        runs[f"design{index}"] = settings(made)
        folder = tmp_path / "designs" / f"design{index}"
        folder.mkdir()
        write_series(folder / "d3plot", replace(made, features={}))
    (tmp_path / "designs" / "global_features.json").write_text(json.dumps(runs))
    run = follow(PAGE, tmp_path, only=lambda block: not downloads(block))
    assert "98 (still)" in run.stdout
    assert "missing: mass" in run.stdout
    assert "UNLIKE the training parts" in run.stdout  # the bracket
    predicted = open_series(tmp_path / "predicted.pvd")
    errors = evaluate_series(predicted, simulated)
    assert errors["familiar"]
    assert errors["med_share"] < 5  # as the page says: 3.4 %
    assert (tmp_path / "report" / "report.html").is_file()
    assert len(open_series(tmp_path / "mine.pvd")) == len(simulated)
    # What the page warns of: the wrong clamps give another, familiar, wrong prediction.
    options = PredictOptions(clamped="ends", duration=float(simulated.times[-1]))
    with pytest.raises(ReadError, match="stated as clamped move"):
        predict_series(simulated, options)
    alone = replace(simulated, times=simulated.times[:1])
    moved = predict_series(alone, options).displacement() - simulated.displacement()
    share = np.linalg.norm(moved, axis=2).mean() / errors["intrusion_true"]
    assert 100 * share > 2 * errors["med_share"]


@pytest.mark.slow
def test_real_files_of_ls_dyna_without_shells_are_refused_as_the_page_says(tmp_path):
    pytest.importorskip("lasso")
    run = follow(PAGE, tmp_path, only=downloads, check=False)
    if "No matching distribution" in run.stderr:
        pytest.skip("ls-toolbox, which holds the files, cannot be downloaded")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("refused, as it should be") == 2
    assert "d3plot (dyna): it has no shell elements" in run.stderr
    assert "it has no shells, only ELEMENT_SOLID" in run.stderr
    assert not (tmp_path / "refused.pvd").exists()
