"""The weights from which a run was adapted: their hash, and the search for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from case_table import table

from scionwood.errors import ReadError, TrainingError
from scionwood.recipes.resolved import Recipe, Slot
from scionwood.runs.base import read_base, with_base, write_base


def recipe(weights: str | None) -> Recipe:
    slot = Slot("toy/net", None, {} if weights is None else {"weights": weights})
    return Recipe("toy/adapt", slot, slot, slot, slot, "off", {}, 0)


def weights(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True)
    (folder / "head.safetensors").write_bytes(content)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was adapted from `base` beside it."""
    weights(tmp_path / "base", b"weights")
    (tmp_path / "run").mkdir()
    write_base(tmp_path / "run", recipe(str(tmp_path / "base")))
    return tmp_path / "run"


def found(run: Path, given: str) -> str:
    return str(with_base(run, recipe(given)).backbone.options["weights"])


def test_the_given_path_stays_if_it_holds_the_weights(run: Path) -> None:
    given = str(run.parent / "base")
    assert found(run, given) == given
    assert read_base(run) is not None


def test_the_base_is_found_by_its_hash_alone(run: Path) -> None:
    (run.parent / "base").rename(run.parent / "other name")
    weights(run.parent / "base", b"WEIGHTS")  # of the same size
    assert found(run, str(run.parent / "base")) == str(run.parent / "other name")


def test_what_is_not_found_is_named(run: Path) -> None:
    (run.parent / "base" / "head.safetensors").write_bytes(b"WEIGHTS")
    with pytest.raises(TrainingError, match=r"SHA-256 .*head\.safetensors has other weights"):
        found(run, str(run.parent / "base"))
    (run.parent / "base" / "head.safetensors").unlink()
    with pytest.raises(TrainingError, match="none of the known places") as caught:
        found(run, str(run.parent / "base"))
    assert "its name does not matter" in caught.value.remedy


def test_a_file_of_weights_may_be_the_base(tmp_path: Path) -> None:
    run = weights(tmp_path / "run", b"own")
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    write_base(run, recipe(str(tmp_path / "a.safetensors")))
    (tmp_path / "a.safetensors").rename(tmp_path / "b.safetensors")
    assert found(run, "a.safetensors") == str(tmp_path / "b.safetensors")


@table("name", [None, "none", "shipped", "hub:main"])
def test_runs_without_weights_of_this_machine_state_none(tmp_path: Path, name: str | None) -> None:
    write_base(tmp_path, recipe(name))
    assert not list(tmp_path.iterdir())
    assert with_base(tmp_path, recipe(name)) == recipe(name)


def test_a_damaged_statement_is_refused(run: Path) -> None:
    (run / "base.json").write_text(json.dumps({"name": "base"}))
    with pytest.raises(ReadError, match="does not state name, bytes and sha256"):
        found(run, "base")
