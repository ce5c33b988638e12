"""Fixtures of the crash tests: designs of the suite on coarse meshes, and small simulations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_figures import undrawn

from scionwood import fit
from scionwood.recipes.recipe import resolve
from scionwood_crash.data.suite import SuiteParts
from scionwood_crash.parts.part import Part
from scionwood_crash.suite.families import FAMILIES


@pytest.fixture(autouse=True)
def _plain(_one_thread: None, _undrawn: None) -> None:
    """Every test runs on one thread, and draws no figure of a run."""


@pytest.fixture(scope="session")
def part() -> Callable[..., Part]:
    """Make a part of a family without simulation: (family, seed, element size, frames)."""

    def make(family: str, seed: int = 0, size: float = 15.0, frames: int = 3) -> Part:
        made = FAMILIES[family](np.random.default_rng(seed), size)
        shell = made.shell
        times = np.linspace(0, made.duration, frames)
        material = shell.materials[0]
        return Part(
            shell.nodes,
            shell.quads,
            shell.thickness,
            shell.clamped,
            material,
            made.impactor,
            times,
            family=family,
        )

    return make


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> SuiteParts:
    """Coarse hats and boxes in a folder: three frames over half a millisecond."""
    folder: Path = tmp_path_factory.mktemp("suite")
    return SuiteParts(
        families=["hat", "box"],
        n_train=2,
        n_val=1,
        n_test=1,
        element_size=50.0,
        duration=0.5,
        frames=3,
        folder=folder,
    )


@pytest.fixture(scope="session")
def batch(suite: SuiteParts) -> dict[str, Any]:
    """The first batch of the training split: four parts."""
    return next(iter(suite.train_dataloader()))


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of two training steps."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with undrawn():
        return fit(resolve("crash/pretrain", smoke=True), run_dir=folder)


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in this process; other tests read in children."""
    monkeypatch.setenv("SCIONWOOD_READERS", "inline")
