"""The recipes say what every key does, run as they are, and fit each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from case_table import table

from scionwood.cli import main
from scionwood_seismic.readers.create import write_segy
from scionwood_seismic.readers.segy import SegyReader

RECIPES = Path(__file__).parents[2] / "configs/seismic"
FIELD = ["shot", "stack", "das", "station"]


def long(name: str) -> object:
    """Return the case of a recipe that `make test` leaves out."""
    return pytest.param(name, marks=pytest.mark.slow)


def sections(name: str) -> dict[str, dict[str, object]]:
    recipe = yaml.safe_load((RECIPES / f"{name}.yaml").read_text("utf-8"))
    assert isinstance(recipe, dict)
    return recipe


@pytest.mark.parametrize(
    "name", ["field_lora", "station", *map(long, ("das_vsp", "adapt_to_survey", *FIELD[:3]))]
)
def test_the_recipe_runs_with_its_smoke_settings(name, tmp_path):
    folder = tmp_path / "run"
    assert main(["fit", f"seismic/{name}", "--smoke", "--run", str(folder)]) == 0
    weights = "head.safetensors" if name in FIELD else "adapter/adapter_model.safetensors"
    assert (folder / weights).is_file()
    assert (folder / "figures/denoised.png").is_file()


@table("name", FIELD)
def test_a_field_recipe_trains_for_the_snr_with_clean_records_among_the_others(name):
    recipe = sections(name)
    assert recipe["task"]["distance"] == "log"
    assert recipe["task"]["ssim_weight"] == 0
    assert recipe["data"]["clean_share"] >= 0.12
    assert recipe["adapter"] == "full"
    assert recipe["data"]["noise_files"] == "none"  # nothing is downloaded
    if name in ("stack", "das"):
        assert recipe["task"]["start"] == "seismic/shot"
        assert recipe["backbone"] == sections("shot")["backbone"]


@table("name", ["denoise", "denoise_tta", "das_vsp", "adapt_to_survey"])
def test_what_all_traces_share_goes_only_on_request(name):
    recipe = sections(name)
    assert recipe["backbone"]["common_mode"] is False
    if name != "adapt_to_survey":  # whose noise is that of the survey
        assert "common_mode" not in recipe["data"]["noises"]


def test_adapt_to_survey_accepts_runs_of_denoise():
    for part in ("backbone", "adapter"):
        assert sections("adapt_to_survey")[part] == sections("denoise")[part]


def test_adapt_to_survey_requires_a_starting_run(tmp_path, capsys):
    assert main(["fit", "seismic/adapt_to_survey", "--run", str(tmp_path / "run")]) == 2
    assert "Give that run's folder as task.start" in capsys.readouterr().err


@pytest.mark.slow
def test_adapts_the_shipped_run_to_a_survey_from_the_command_line(tmp_path):
    survey, adapted, clean = (tmp_path / name for name in ("survey.sgy", "run", "clean.sgy"))
    noise = np.random.default_rng(0).standard_normal((4, 36, 80)).astype(np.float32)
    write_segy(survey, 1e3 * noise, dt=0.002)
    own = ["--task.start=seismic/denoise", "--task.method=noisier", f"--data.path={survey}"]
    command = ["fit", "seismic/adapt_to_survey", "--smoke", "--run", str(adapted), *own]
    assert main(command) == 0
    assert "val_loss" in (adapted / "metrics.csv").read_text("utf-8")
    # The survey has no signal, so that the harm gate would let it pass through unchanged.
    own = ["--run", str(adapted), "--gate", "off"]
    assert main(["seismic", "denoise", str(survey), str(clean), *own]) == 0
    with SegyReader(survey) as before, SegyReader(clean) as after:
        noisy, denoised = before.read(0).data, after.read(0).data
    assert 0 < np.square(denoised).sum() < np.square(noisy).sum()
