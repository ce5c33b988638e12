"""A user's own survey as training data: random patches of noisy gathers, without clean labels."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, final

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import DataLoader, ReadError, RecipeError
from scionwood_seismic.data.survey_source import (
    FieldFiles,
    Recent,
    SimulatedSurvey,
    Source,
    SurveyGather,
    find_files,
)
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.readers.segy import Gather

TRIES = 50
"""Gathers that are tried before a survey counts as having none large enough."""


@final
class Survey(L.LightningDataModule):
    """Patches of the gathers of field files, for training without clean labels.

    Each gather, whole, is for training, validation or test; a file with gathers that are read in
    parts is so as a whole. Traces that are dead or hold a value that is not finite are passed over,
    as when denoising, and so are gathers too small for a patch. Each process that reads keeps at
    most `cache` gathers, or parts, in memory.

    Shapes: a batch holds `noisy`, (batch, 1, trace, time) float32. With a noise window it also
    holds `noise_only`, the same shape, from the signal-free start of the same gathers (mirrored
    in time where the window is shorter than a patch); of the simulated survey also `clean`.

    Units: amplitudes divided by `normalise.scale` of the whole gather.

    Args:
        path: a file, a folder (its files with a suffix that a reader knows), or a glob such as
            `survey/*.sgy`; `simulated` for a small survey that is drawn from the seed.
        gather: the SEG-Y trace header that tells gathers apart; `none`: each file is a gather.
        n_traces: traces a patch.
        n_samples: samples a patch.
        noise_window: how much of each record, from its first sample on, is free of signal, s; 0 for
            unknown. Patches begin behind it where the record is long enough.
        held_out: the share of gathers that only validate, and the share that only test.
        batch_size: patches a batch.
        n_train: patches an epoch; each epoch draws other ones.
        n_val: patches for validation, the same each time.
        n_test: patches for the test.
        cache: gathers kept in memory.
        num_workers: processes that read; 0 reads in the training process.
        seed: decides the split and the patches.

    Raises:
        ReadError: there is no file, one is damaged, or no gather is large enough for a patch.
        RecipeError: too few gathers to split, or a noise window that does not fit the records.

    Source: this project's own; the simulated survey is that of `scionwood_seismic.synth`.
    """

    def __init__(
        self,
        *,
        path: str = "simulated",
        gather: Gather | Literal["none"] = "fldr",
        n_traces: int = 128,
        n_samples: int = 128,
        noise_window: float = 0.0,
        held_out: float = 0.15,
        batch_size: int = 8,
        n_train: int = 1600,
        n_val: int = 40,
        n_test: int = 40,
        cache: int = 4,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if cache < 1:
            raise RecipeError(f"data.cache {cache}", "at least one gather is in memory", "Raise it")
        self.path, self.gather, self.noise_window = path, gather, noise_window
        self.shape, self.held_out = (n_traces, n_samples), held_out
        self.kept: Recent[SurveyGather] = Recent(cache)
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.lengths = {"train": n_train, "val": n_val, "test": n_test}

    def setup(self, stage: str) -> None:
        """Find the files and split their gathers, so that faults show before training."""
        _ = self.splits

    def train_dataloader(self) -> DataLoader:
        """Batches of the training split."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader:
        """Batches of the validation split."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader:
        """Batches of the test split."""
        return self._loader("test")

    @cached_property
    def splits(self) -> dict[str, list[int]]:
        """The records of each split, by their place in the survey."""
        groups = self._source.groups
        n = len(groups)
        held = max(1, round(self.held_out * n))
        if n < 2 * held + 1:
            rule = f"{n} gathers cannot be split into training, validation and test"
            remedy = "Give more files, another data.gather, or a lower data.held_out"
            raise RecipeError(f"survey {self.path}", rule, remedy)
        order = np.random.default_rng(self.seed).permutation(n)
        parts = dict(zip(("val", "test", "train"), np.split(order, [held, 2 * held]), strict=True))
        return {split: [i for g in part for i in groups[g]] for split, part in parts.items()}

    @cached_property
    def _source(self) -> Source:
        if self.path == "simulated":
            return SimulatedSurvey(self.shape, self.noise_window, self.seed)
        return FieldFiles(find_files(self.path), self.gather, self.noise_window)

    def _loader(self, split: str) -> DataLoader:
        return DataLoader(
            _Patches(self, split, self._source, self.splits[split]),
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            drop_last=split == "train",
            seed=self.seed,
        )


@final
class _Patches(Dataset[dict[str, Tensor]]):
    def __init__(self, survey: Survey, split: str, source: Source, gathers: list[int]) -> None:
        self.path, self.shape, self.seed = survey.path, survey.shape, survey.seed
        self.split, self.source, self.gathers = split, source, gathers
        self.length = survey.lengths[split]
        self.kept = survey.kept

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        # torch's generator is set by the loader from seed, epoch and index.
        rng = (
            np.random.default_rng(int(torch.randint(2**62, ())))
            if self.split == "train"
            else generator(self.seed, self.split, index)
        )
        gather = self._draw(rng)
        free = gather.noisy.shape[0] - self.shape[0], gather.noisy.shape[1] - self.shape[1]
        corner = rng.integers(free[0] + 1), rng.integers(min(gather.quiet, free[1]), free[1] + 1)
        view = tuple(slice(at, at + n) for at, n in zip(corner, self.shape, strict=True))
        patch = {"noisy": gather.noisy[view]}
        if gather.clean is not None:
            patch["clean"] = gather.clean[view]
        if gather.quiet:
            patch["noise_only"] = self._noise(rng, gather)
        return {name: torch.from_numpy(x[None].astype(np.float32)) for name, x in patch.items()}

    def _draw(self, rng: np.random.Generator) -> SurveyGather:
        for _ in range(TRIES):
            index = self.gathers[rng.integers(len(self.gathers))]
            gather = self.kept.get(index, lambda index=index: self.source.read(index))  # type: ignore[misc]
            if all(have >= need for have, need in zip(gather.noisy.shape, self.shape, strict=True)):
                return gather
        rule = f"none of {TRIES} gathers has {self.shape[0]} live traces of {self.shape[1]} samples"
        raise ReadError(f"survey {self.path}", rule, "Lower data.n_traces or data.n_samples")

    def _noise(self, rng: np.random.Generator, gather: SurveyGather) -> np.ndarray:
        traces, samples = self.shape
        first = rng.integers(gather.noisy.shape[0] - traces + 1)
        window = gather.noisy[first : first + traces, : gather.quiet]
        window = np.pad(window, ((0, 0), (0, max(0, samples - gather.quiet))), mode="reflect")
        start = rng.integers(window.shape[1] - samples + 1)
        return window[:, start : start + samples] * rng.choice([-1.0, 1.0])
