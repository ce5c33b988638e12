"""Updates of a small net: made in memory for the rules, and by real runs for the folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig
from plain_figures import undrawn

import scionwood
from scionwood_federated import (
    Site,
    Update,
    begin_round,
    train_site,
    update_of,
    write_update,
)

NAMES = ("north", "south", "west")
Make = Callable[..., Update]


@pytest.fixture
def make() -> Make:
    """Return a function that makes an update of two layers, one of them a convolution."""

    def update(
        seed: int, site: str = "", *, r: int = 4, alpha: int = 8, samples: int = 10
    ) -> Update:
        draw = torch.Generator().manual_seed(seed)
        shapes = {
            "base_model.model.x.lora_A.weight": (r, 20),
            "base_model.model.x.lora_B.weight": (30, r),
            "base_model.model.c.lora_A.weight": (r, 3, 3, 3),
            "base_model.model.c.lora_B.weight": (6, r, 1, 1),
        }
        adapter = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
        about = Site(site or f"site{seed}", samples, 5, 1, "start", "base", "recipe", "data")
        head = {"head.weight": torch.randn(3, 4, generator=draw)}
        return Update(about, LoraConfig(r=r, lora_alpha=alpha), adapter, head)

    return update


@pytest.fixture(scope="session")
def round_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a start, and the updates of three sites that trained two steps."""
    folder = tmp_path_factory.mktemp("federation")
    recipe = scionwood.resolve("seismic/denoise", smoke=True)
    begin_round(recipe, folder / "start")
    for seed, site in enumerate(NAMES):
        with undrawn():
            run = train_site(
                folder / "start" / "recipe.yaml",
                folder / "start",
                folder / "runs" / site,
                overrides=(f"data.seed={seed}",),
            )
        write_update(update_of(run, site=site), folder / site)
    return folder


@pytest.fixture(scope="session")
def held_a(round_one: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that trained from the start with A held, for tests that do not change it."""
    start, out = round_one / "start", tmp_path_factory.mktemp("held") / "run"
    with undrawn():
        return train_site(start / "recipe.yaml", start, out, hold="A")
