"""Training data of a user: noisy and clean files of the same records."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from scionwood import ReadError, RecipeError
from scionwood_seismic.data.field import check_shares, tensors, told
from scionwood_seismic.data.normalise import live
from scionwood_seismic.data.samples_on_demand import OnDemandData
from scionwood_seismic.data.survey_source import Recent, find_files
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.readers.opening import open_file
from scionwood_seismic.readers.segy import Gather
from scionwood_seismic.synth.canonical import plan
from scionwood_seismic.synth.field_pair import Pair

PARTS = {"train": (0.0, 0.7), "val": (0.7, 0.85), "test": (0.85, 1.0)}
"""The part of the records, or of the time if there are fewer than `ENOUGH`, of each split."""

ENOUGH = 7
"""Records from which whole records are split."""

QUIET = 1e-2
"""A clean crop with a lower share of the amplitude of its record counts as without signal."""

RECORDS_IN_MEMORY = 8
"""Records that are kept in memory."""

Pairing = tuple[np.ndarray, np.ndarray]


@final
class FieldPairs(OnDemandData):
    """Crops of noisy and clean records of your own, at the canonical sampling.

    The files of the two paths belong together in the order of their names, and their records have
    the same shapes. With seven records or more, 70 % of them train, and 15 % each are for
    validation and test; with fewer, the time axis is split so. The sampling follows from the clean
    record. Traces that are dead in one of the two are left out. Each epoch of training draws
    new crops.

    Shapes: a batch contains `noisy`, `clean` and `mask`, (batch, 1, trace, time) float32, and
    `level`, (batch,), the RMS of the difference where it is told, and 0 elsewhere.

    Units: amplitudes divided by the RMS of the clean crop, or of the noisy one without signal.

    Args:
        noisy: the noisy files: a file, a folder or a glob.
        clean: the clean files, likewise.
        gather: the SEG-Y trace header whose value identifies a gather.
        domain: the kind of record: shot, stack or das; see `synth.canonical.plan`.
        n_traces: traces per crop; records with fewer are filled and masked.
        n_samples: canonical samples per trace of a crop.
        told_share: the share of the crops whose noise level is told.

    Raises:
        RecipeError: no files are named, or a share is not between 0 and 1.
        ReadError: a file cannot be read, or the files do not belong together.

    Source: the files of the user.
    """

    renewed = True

    def __init__(
        self,
        *,
        noisy: str = "none",
        clean: str = "none",
        gather: Gather | None = None,
        domain: Literal["shot", "stack", "das"] = "shot",
        n_traces: int = 64,
        n_samples: int = 128,
        told_share: float = 0.5,
        batch_size: int = 12,
        n_train: int = 2400,
        n_val: int = 96,
        n_test: int = 96,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, n_train, n_val, n_test, num_workers, seed)
        check_shares({"told_share": told_share})
        self.paths, self.gather, self.domain = (noisy, clean), gather, domain
        self.shape, self.told_share = (n_traces, n_samples), told_share
        self._read: Recent[Pairing] = Recent(RECORDS_IN_MEMORY)

    def setup(self, stage: str) -> None:
        """Find the files and compare their records, so that errors appear before training."""
        _ = self.places

    @cached_property
    def files(self) -> list[tuple[str, str]]:
        """The pairs of files."""
        for name, path in zip(("noisy", "clean"), self.paths, strict=True):
            if path == "none":
                rule = "it names the files of your own records"
                raise RecipeError(f"data.{name} none", rule, "Give a file, a folder or a glob")
        noisy, clean = (find_files(path) for path in self.paths)
        if len(noisy) != len(clean):
            rule = f"{len(noisy)} noisy files belong to {len(clean)} clean ones"
            raise ReadError(self.paths[0], rule, "Give one clean file for each noisy one")
        return [(str(a), str(b)) for a, b in zip(noisy, clean, strict=True)]

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        """The file and the record in it, for each record."""
        places = []
        for number, (noisy, clean) in enumerate(self.files):
            with open_file(noisy, gather=self.gather) as one:
                with open_file(clean, gather=self.gather) as other:
                    if len(one) != len(other):
                        rule = f"it has {len(one)} records, {clean} has {len(other)}"
                        raise ReadError(noisy, rule, "Give files of the same records")
                places += [(number, index) for index in range(len(one))]
        return places

    def record(self, index: int) -> Pairing:
        """Return a noisy and a clean record at the canonical sampling, (trace, time)."""
        return self._read.get(index, lambda: self._pair(*self.places[index]))

    def _pair(self, number: int, index: int) -> Pairing:
        names = self.files[number]
        noisy, clean = (_read_one(name, self.gather, index) for name in names)
        if noisy.shape != clean.shape:
            rule = f"its record {index} is {noisy.shape}, that of {names[1]} is {clean.shape}"
            raise ReadError(names[0], rule, "Give files of the same records")
        alive = live(noisy) & live(clean)
        if not alive.any():
            raise ReadError(names[0], f"its record {index} has no live trace", "Leave it out")
        steps = plan(clean[alive], domain=self.domain)
        return steps.apply(noisy[alive]), steps.apply(clean[alive])

    def sample(self, split: str, index: int) -> dict[str, Tensor]:
        """Return one crop, (1, trace, time) each, its mask and its told noise level."""
        # The loader seeds torch's generator from seed, epoch and index.
        rng = (
            np.random.default_rng(int(torch.randint(2**62, ())))
            if split == "train"
            else generator(self.seed, split, index)
        )
        count, span = len(self.places), PARTS[split]
        by_place = count >= ENOUGH
        first, last = (round(share * count) for share in span) if by_place else (0, count)
        noisy, clean = self.record(int(rng.integers(first, last)))
        pair = crop(rng, noisy, clean, self.shape, (0.0, 1.0) if by_place else span)
        return tensors(pair, told(rng, pair.level, self.told_share))


def crop(
    rng: np.random.Generator,
    noisy: np.ndarray,
    clean: np.ndarray,
    shape: tuple[int, int],
    span: tuple[float, float],
) -> Pair:
    """Cut a crop from a pair of records; what lies outside of a small record is masked.

    Args:
        rng: the random number generator.
        noisy: (trace, time), any unit.
        clean: the same shape and unit.
        shape: (trace, time) of the crop.
        span: the part of the time axis from which it is cut, shares of its length.
    """
    first, last = (round(share * noisy.shape[1]) for share in span)
    traces, samples = min(shape[0], len(noisy)), min(shape[1], last - first)
    i = int(rng.integers(len(noisy) - traces + 1))
    j = first + int(rng.integers(last - first - samples + 1))
    view = slice(i, i + traces), slice(j, j + samples)
    heard = _rms(clean[view]) > QUIET * _rms(clean)
    unit = (_rms(clean[view]) if heard else _rms(noisy[view])) or 1.0
    arrays = [np.zeros(shape, np.float32) for _ in range(3)]
    parts = noisy[view] / unit, clean[view] / unit * heard, np.ones((traces, samples))
    for array, values in zip(arrays, parts, strict=True):
        array[:traces, :samples] = values
    return Pair(arrays[0], arrays[1], arrays[2], _rms(noisy[view] - clean[view]) / unit)


def _rms(data: np.ndarray) -> float:
    return float(np.sqrt(np.square(data, dtype=np.float64).mean()))


def _read_one(name: str, gather: Gather | None, index: int) -> np.ndarray:
    with open_file(name, gather=gather) as reader:
        data: np.ndarray = reader.read(index).data.astype(np.float32)
    return data
