"""A user's own survey as training data: random patches of noisy gathers, without references."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import ReadError, RecipeError, SplitData
from scionwood.authoring import DataFiles, DataLoader, Split
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
"""Gathers that are tried before the survey is refused because none is large enough."""


@final
class Survey(SplitData):
    """Patches of the gathers of field files, for training without noise-free references.

    A gather belongs to one split: training, validation or test. If the gathers of a file are read
    in parts, the whole file belongs to one split. Dead traces and traces with non-finite values are
    skipped, as in denoising, and so are gathers that are smaller than a patch. Each reading
    process keeps at most `cache` gathers, or parts of gathers, in memory.

    Shapes: a batch contains `noisy`, (batch, 1, trace, time) float32. With a noise window it also
    contains `noise_only`, of the same shape, from the signal-free start of the same gathers; a
    window that is shorter than a patch is mirrored in time. The simulated survey adds `clean`.

    Units: amplitudes divided by `normalise.scale` of the whole gather.

    Args:
        path: a file, a folder (its files with a suffix that a reader knows), or a glob such as
            `survey/*.sgy`; `simulated` generates a small survey from the seed.
        gather: the SEG-Y trace header whose value identifies a gather; `none`: each file is one
            gather.
        n_traces: traces per patch.
        n_samples: samples per trace of a patch.
        noise_window: length of the signal-free start of each record, s; 0 if it is not known.
            Patches begin after it if the record is long enough.
        held_out: the share of gathers in the validation split, and the share in the test split.
        batch_size: patches per batch.
        n_train: patches per epoch; every epoch draws new ones.
        n_val: patches in the validation split, the same ones every time.
        n_test: patches in the test split.
        cache: gathers that are kept in memory.
        num_workers: processes that read; 0 uses the training process.
        on_bad_file: `raise` stops at a file that cannot be read. `skip` reads every file once at
            the beginning, and leaves out the bad ones.
        seed: seed of the splits and the patches.

    Raises:
        ReadError: there is no file, a file is damaged, or no gather is large enough for a patch.
        RecipeError: there are too few gathers to split, or the noise window does not fit a record.

    Source: this project. The simulated survey comes from `scionwood_seismic.synth`.
    """

    data_files: DataFiles

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
        on_bad_file: Literal["raise", "skip"] = "raise",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if cache < 1:
            raise RecipeError(f"data.cache {cache}", "at least one gather is kept", "Raise it")
        self.data_files = DataFiles(on_bad_file, [path])
        self.path, self.gather, self.noise_window = path, gather, noise_window
        self.shape, self.held_out = (n_traces, n_samples), held_out
        self.kept: Recent[SurveyGather] = Recent(cache)
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.lengths = {"train": n_train, "val": n_val, "test": n_test}

    def setup(self, stage: str) -> None:
        """Find the files and split their gathers, so that errors appear before training."""
        _ = self.splits

    @cached_property
    def splits(self) -> dict[str, list[int]]:
        """Map each split to the indices of its records."""
        groups = self._source.groups
        n = len(groups)
        share = max(1, round(self.held_out * n))
        if n < 2 * share + 1:
            rule = f"{n} gathers cannot be split into training, validation and test"
            remedy = "Give more files, another data.gather, or a lower data.held_out"
            raise RecipeError(f"survey {self.path}", rule, remedy)
        order = np.random.default_rng(self.seed).permutation(n)
        pieces = np.split(order, [share, 2 * share])
        parts = dict(zip(("val", "test", "train"), pieces, strict=True))
        return {split: [i for g in part for i in groups[g]] for split, part in parts.items()}

    @cached_property
    def _source(self) -> Source:
        if self.path == "simulated":
            return SimulatedSurvey(self.shape, self.noise_window, self.seed)
        files = find_files(self.path)
        return FieldFiles(files, self.gather, self.noise_window, self.data_files)

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split; each epoch of training draws new patches."""
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
        # The loader seeds torch's generator from seed, epoch and index.
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
        noise: np.ndarray = window[:, start : start + samples] * rng.choice([-1.0, 1.0])
        return noise
