"""An adapted run finds the run from which it was adapted by the hash of its weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from scionwood import fit, load_run, resolve
from scionwood.recipes.recipe import Recipe
from scionwood.runs.base import read_base
from scionwood.runs.layout import file_digest
from scionwood_export import export_run

pytestmark = pytest.mark.slow  # the search itself is tested in tests/core/runs/test_base.py


@pytest.fixture(scope="module")
def adapted(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run `adapted` and the run `pretrained` that it was adapted from."""
    place = tmp_path_factory.mktemp("moved")
    shutil.copytree(run, place / "pretrained")
    fit(recipe(place), run_dir=place / "adapted")
    return place


def recipe(place: Path) -> Recipe:
    return resolve(
        "crash/transfer_lora", {"backbone.weights": str(place / "pretrained")}, smoke=True
    )


def test_an_adapted_run_states_the_hash_of_its_base(adapted):
    base = read_base(adapted / "adapted")
    assert base.name == "pretrained"
    assert base.sha256 == file_digest(adapted / "pretrained" / "head.safetensors")
    assert "base.json" in json.loads((adapted / "adapted" / "files.json").read_text())["files"]
    assert read_base(adapted / "pretrained") is None, "it started from random weights"


@pytest.mark.parametrize("place", ["beside", "renamed", "runs"])
def test_the_base_is_found_where_it_moved(adapted, place, tmp_path, monkeypatch):
    before = load_run(adapted / "adapted")
    there = {"beside": "pretrained", "renamed": "a", "runs": "../cwd/runs/b"}[place]
    (tmp_path / "new").mkdir()
    shutil.copytree(adapted / "adapted", tmp_path / "new" / "mine")
    shutil.copytree(adapted / "pretrained", tmp_path / "new" / there)
    own = resolve(tmp_path / "new" / "mine" / "recipe.yaml")
    gone = own.backbone.options | {"weights": "gone/pretrained"}
    (tmp_path / "cwd").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "cwd")
    file = tmp_path / "new" / "mine" / "recipe.yaml"
    file.write_text(file.read_text().replace(own.backbone.options["weights"], gone["weights"]))
    (tmp_path / "new" / "mine" / "files.json").unlink()  # the recipe was changed above
    after = load_run(tmp_path / "new" / "mine")
    merged = export_run(tmp_path / "new" / "mine", tmp_path / "m.safetensors", format="merged")
    assert merged.reached <= 1e-5
    for one, other in zip(before.parameters(), after.parameters(), strict=True):
        assert torch.equal(one, other)
