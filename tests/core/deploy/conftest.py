"""A finished run of the toy plugin, whose adapter and head are trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from scionwood.recipes.recipe import resolve
from scionwood.training import fit


@pytest.fixture(autouse=True)
def _threads(_one_thread: None) -> None:
    """Run every test on one thread."""


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, toy_plugin: None) -> Path:
    """The folder of a short run."""
    folder = tmp_path_factory.mktemp("deploy") / "run"
    return fit(resolve("toy/regress", ["trainer.logger=csv"], smoke=True), run_dir=folder)
