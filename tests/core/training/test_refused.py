"""A run that is refused before its first step leaves no folder, and never removes another's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scionwood import ScionwoodError, TrainingError
from scionwood.authoring import TrainingSubset
from scionwood.recipes.recipe import resolve

Fit = Callable[..., Path]
LOGGERS = "trainer.logger=[csv, tensorboard]"
ADAPTER = "adapter={name: adalora, targets: blocks}"
"""Options that the method refuses when it is attached."""


@pytest.fixture
def refused(tmp_path: Path) -> str:
    """An option whose data are refused when training starts."""
    other = resolve("toy/regress", ["data.data_seed=9"]).data.build().train_dataloader()
    TrainingSubset.of(other, [0, 1]).write(tmp_path / "list")
    return f"data.subset={tmp_path / 'list'}"


def test_what_is_refused_leaves_no_folder(toy_fit: Fit, refused: str, tmp_path: Path) -> None:
    for option, rule in ((refused, r"data\.subset"), (ADAPTER, r"adapter 'adalora'.*total_step")):
        with pytest.raises(ScionwoodError, match=rule):
            toy_fit(option, LOGGERS)
        assert not (tmp_path / "run").exists()
    assert (toy_fit("trainer.max_steps=1") / "adapter").is_dir()


def test_a_folder_of_the_caller_stays(toy_fit: Fit, refused: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for option in (ADAPTER, refused):
        with pytest.raises(ScionwoodError):
            toy_fit(option, LOGGERS)
        assert list((tmp_path / "run").iterdir()) == []


def test_other_files_stay(toy_fit: Fit, refused: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(TrainingError):
        toy_fit(refused)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"notes.txt", "recipe.yaml"}


def test_a_run_that_goes_on_stays(toy_fit: Fit, refused: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(resolve("toy/regress").dump())
    with pytest.raises(TrainingError):
        toy_fit(refused, resume=folder)
    assert [path.name for path in folder.iterdir()] == ["recipe.yaml"]
