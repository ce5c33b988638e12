"""A training loader that keeps no position is reported by name when a run starts."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import scionwood
from scionwood.authoring import DataLoader, InexactResumeWarning
from scionwood.recipes.recipe import Slot, resolve
from scionwood.training import fit, resumable

PLAIN = torch.utils.data.DataLoader


def test_a_loader_without_state_is_named() -> None:
    ours, other = DataLoader(range(4)), PLAIN(range(4))
    assert resumable(ours) is resumable([ours, ours]) is None
    for loaders in (other, {"a": ours, "b": other}):
        assert resumable(loaders) == (
            "torch.utils.data.dataloader.DataLoader has no state_dict and load_state_dict"
        )


def test_fit_names_the_data_module_and_the_loader(tmp_path: Path) -> None:
    recipe = resolve("toy/regress", ["trainer.logger=csv", "trainer.max_steps=2"])

    class PlainData(recipe.data.component):
        def train_dataloader(self) -> Any:
            return PLAIN(super().train_dataloader().dataset, 8, shuffle=True)

    plain = replace(recipe, data=Slot("toy/plain", PlainData, recipe.data.options))
    with pytest.warns(InexactResumeWarning, match=r"of PlainData: torch\..*DataLoader has no"):
        fit(plain, run_dir=tmp_path / "plain")
    with warnings.catch_warnings():
        warnings.simplefilter("error", scionwood.authoring.InexactResumeWarning)
        fit(recipe, run_dir=tmp_path / "ours")
