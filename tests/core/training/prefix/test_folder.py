"""A recipe cannot make a run read or write features outside of its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from case_table import table

from scionwood.errors import RecipeError
from scionwood.training.options import build_trainer_options


@table("way", ["absolute", "dots", "link"])
def test_a_folder_outside_of_the_run_is_refused(tmp_path: Path, way: str) -> None:
    secret, run = tmp_path / "secret", tmp_path / "run"
    secret.mkdir()
    run.mkdir()
    (run / "linked").symlink_to(secret)
    folder = {"absolute": str(secret), "dots": "../secret", "link": "linked"}[way]
    options = {"callbacks": [{"name": "prefix_cache", "folder": folder}]}
    with pytest.raises(RecipeError, match=r"prefix_cache: folder .*outside of the run folder"):
        build_trainer_options(options, folder=run)
    assert not list(secret.iterdir())


def test_features_lie_in_the_run_folder(toy_fit: Callable[..., Path]) -> None:
    callback = "trainer.callbacks=[{name: prefix_cache, folder: features}]"
    deep = ["backbone.depth=4", r"adapter.targets='blocks\.3\.linear'"]
    run = toy_fit("trainer.max_epochs=2", callback, *deep)
    assert list((run / "features").rglob("*.rows"))
