"""Data depends on its seed alone, and no sample is in two splits."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations, islice
from typing import Any
from unittest.mock import patch

import lightning
import numpy as np
import torch
from lightning import LightningDataModule
from torch.utils.data import IterableDataset

from scionwood.errors import ScionwoodError
from scionwood.plugins.plugin import Plugin
from scionwood.recipes.recipe import Slot, options_of, resolve
from scionwood.training.loader import resumable
from scionwood_kit.checks.static import component, recipe_names
from scionwood_kit.rules import NothingToCheck, Problem, check
from scionwood_kit.tensors import digest

SAMPLES_COMPARED = 256
"""The number of samples of a split that are compared with the other splits."""

_SPLITS = {"train": "fit", "val": "fit", "test": "test"}


@check
def check_data_is_seeded(plugin: Plugin) -> Iterator[Problem]:
    """The same seed gives the same first batch, bit for bit; another seed gives another batch.

    The check sets the global seed, as `seed:` of a recipe does, and the option `seed` if the data
    has one. At least one data component works without files or downloads.
    """
    slots, unusable = _usable(plugin)
    if not slots:
        rule = "one data component needs no files and no download"
        for name, why in unusable.items():
            yield Problem(f"data {name!r} ({why})", rule, "Add a generator with defaults")
    for slot in slots:
        first, again, other = (digest(first_batch(slot, seed)) for seed in (1, 1, 2))
        if first != again:
            rule = "the same seed gives the same batch, bit for bit"
            remedy = "Draw from a generator that is made from the seed"
            yield Problem(f"data {slot.name!r}: two batches of seed 1 differ", rule, remedy)
        if first == other:
            rule = "another seed gives another batch"
            remedy = "Draw from a generator that is made from the seed"
            yield Problem(f"data {slot.name!r}: seeds 1 and 2 give one batch", rule, remedy)


@check
def check_data_splits_are_disjoint(plugin: Plugin) -> Iterator[Problem]:
    """No sample is in two of the splits for training, validation and test.

    Samples are compared by the bits of all their tensors.
    """
    for slot in _usable(plugin)[0]:
        with seed_everything(1):
            data = _build(slot, 1)
            samples = {split: _samples(data, split) for split in _SPLITS}
        for left, right in combinations([s for s in _SPLITS if samples[s]], 2):
            shared = samples[left] & samples[right]
            if shared:
                value = f"data {slot.name!r}: {len(shared)} samples of {left} are in {right} too"
                yield Problem(
                    value,
                    "splits are disjoint",
                    "Split first, then draw samples",
                )


@check
def check_data_resumes_exactly(plugin: Plugin) -> Iterator[Problem]:
    """Training loaders keep their position, so that a resumed run equals an uninterrupted one.

    A plain loader of torch does not. `authoring.DataLoader` takes the same arguments and does. For
    plugins outside the Scionwood repository this is advice.
    """
    for slot in _usable(plugin)[0]:
        with seed_everything(1):
            data = _build(slot, 1)
            data.prepare_data()
            data.setup("fit")
            reason = resumable(data.train_dataloader())
        if reason:
            rule = "resume is exact only with authoring.DataLoader, or with a loader that has these"
            remedy = "Import DataLoader from scionwood in place of torch"
            yield Problem(f"data {slot.name!r}: {reason}", rule, remedy, advice=True)


def first_batch(slot: Slot, seed: int) -> Any:
    """Return the first training batch of a data component for a seed."""
    with seed_everything(seed):
        data = _build(slot, seed)
        data.prepare_data()
        data.setup("fit")
        return next(iter(data.train_dataloader()))


@contextmanager
def seed_everything(seed: int) -> Iterator[None]:
    """Set every global generator to a seed, and restore their states afterwards."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - plugins may use it
    try:
        # Lightning also sets a variable of the environment, which the loaders read.
        with patch.dict(os.environ), torch.random.fork_rng(devices=()):
            lightning.seed_everything(seed, workers=True, verbose=False)
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def _build(slot: Slot, seed: int) -> LightningDataModule:
    assert slot.component is not None, "only adapters have baselines"
    option_names = {parameter.name for parameter in options_of(slot.component)}
    seed_option = {"seed": seed} if "seed" in option_names else {}
    data: LightningDataModule = slot.component(**{**slot.options, **seed_option})
    return data


def _usable(plugin: Plugin) -> tuple[list[Slot], dict[str, str]]:
    # With the options of a recipe that uses it; otherwise with its defaults, which may need files.
    if not plugin.data:
        raise NothingToCheck("no data components")
    recipes = [resolve(f"{plugin.name}/{name}", smoke=True) for name in recipe_names(plugin)]
    used = {recipe.data.name: recipe.data for recipe in reversed(recipes)}
    slots, unusable = [], {}
    for name, reference in plugin.data.items():
        full = f"{plugin.name}/{name}"
        slot = used.get(full) or Slot(full, component(reference), {})
        try:
            first_batch(slot, 1)
        except ScionwoodError as error:
            if full in used:
                raise
            unusable[full] = str(error)
        else:
            slots.append(slot)
    return slots, unusable


def _samples(data: LightningDataModule, split: str) -> set[str]:
    name = f"{split}_dataloader"
    if getattr(type(data), name) is getattr(LightningDataModule, name):
        return set()
    data.prepare_data()
    data.setup(_SPLITS[split])
    loader = getattr(data, name)()
    dataset = loader.dataset
    items = (
        iter(dataset)
        if isinstance(dataset, IterableDataset)
        else (dataset[index] for index in range(len(dataset)))
    )
    return {digest(loader.collate_fn([item])) for item in islice(items, SAMPLES_COMPARED)}
