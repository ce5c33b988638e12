"""Run folders and adapters of earlier versions still load, and still measure the same.

The folders in `earlier_runs` were written by version 0.1.0 before its modules moved: one for each
field, a run without an adapter folder (methods), and one with a plugin's adapter method and a
checkpoint (disel). `expected.json` holds what `scionwood test` printed then. Measures that are new
since then may be added. The losses of crash
and bangla are not in it: one has a further term now, the other is a mean over tokens. Two runs name
the folder of their base, since the package has carried another one since.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch

import scionwood

WEIGHTS = Path(__file__).parent / "earlier_weights"
"""Weights of size tiny of Tadpole, which the package carried when two of the runs were made."""

RUNS = sorted(path for path in (Path(__file__).parent / "earlier_runs").iterdir() if path.is_dir())


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(request.param, tmp_path / request.param.name))
    recipe = folder / "recipe.yaml"
    text = recipe.read_text("utf-8")
    if "name: pde/tadpole\n" in text:
        recipe.write_text(text.replace("weights: shipped", f"weights: {WEIGHTS}"), "utf-8")
    return folder


# On another processor a base that is drawn from a seed has other last bits.
@pytest.mark.filterwarnings("ignore::scionwood.adapters.BaseRoundingWarning")
@pytest.mark.parametrize("run", RUNS, ids=lambda path: path.name, indirect=True)
def test_an_earlier_run_measures_what_it_measured_then(run):
    expected = json.loads((run / "expected.json").read_text("utf-8"))
    torch.manual_seed(0)  # the reward of `methods` is that of sampled answers
    measured = scionwood.test(str(run))
    assert {name: measured[name] for name in expected} == pytest.approx(expected, 1e-3, 1e-5)


@pytest.mark.parametrize("run", [RUNS[-1].parent / "disel"], ids=["disel"], indirect=True)
def test_an_earlier_checkpoint_resumes(run):
    recipe = scionwood.resolve(run / "recipe.yaml", ["trainer.max_steps=3"])
    scionwood.fit(recipe, resume=run)
    with (run / "metrics.csv").open(newline="") as file:
        steps = [row["step"] for row in csv.DictReader(file)]
    assert steps[:3] == ["1", "2", "2"]
    assert "3" in steps
