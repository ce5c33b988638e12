"""Training data at the canonical sampling: generated signal with generated and real noise."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from scionwood import RecipeError
from scionwood_seismic.data.noise_files import NoisyOnDemand
from scionwood_seismic.data.synthetic import SPLITS, check_names, generator
from scionwood_seismic.synth.field_noise import COLOURS, NoiseWindows, draw_noise
from scionwood_seismic.synth.field_pair import QUIETEST_TOLD, Pair, draw_clean, draw_traces, mix
from scionwood_seismic.synth.field_signal import GATHERS, KINDS, draw_record
from scionwood_seismic.synth.field_volume import VOLUMES, draw_slices

RENEWED = 8
"""Samples after which one of the kept signals is replaced by a new one."""


@final
class FieldCrops(NoisyOnDemand):
    """Pairs of a noisy and a clean record at the canonical sampling, generated on demand.

    A sample depends only on the seed, the split and the index. Signals are combined from a window
    of drawn records that moves on, because drawing a record takes longer than combining two.

    Shapes: a batch contains `noisy`, `clean` and `mask`, (batch, 1, trace, time) float32, and
    `level`, (batch,), the RMS of the noise where it is told, and 0 elsewhere. With `neighbours` it
    also has `beside`, (batch, 2 neighbours, trace, time), noisy slices, the nearest first.

    Units: amplitudes divided by the RMS of the clean record, or of the noisy one.

    Args:
        n_traces: traces per record, at most; see `few_share`.
        n_samples: canonical samples per trace.
        signals: kinds of record: plane, hyperbola, section, physical, single, layers.
        noises: kinds of generated noise: white, band, pink, high, and near, which a few
            neighbouring traces share.
        noise_files: noise records of your own, a file, a folder or a glob of arrays (`.npy`, trace
            by time) or seismic files; `none`: generated noise only.
        noise_share: the share of the records whose noise starts from a window of these files.
        lowest_snr: the lowest SNR of a noisy record, dB.
        highest_snr: the highest SNR, dB. Each record draws its own between the two.
        clean_share: the share of training records without noise, which are returned unchanged.
        told_share: the share of the records whose noise level is told, within about 20 %.
        few_share: the share of the records with fewer traces, from 1 up.
        unit: the record whose RMS is 1, clean or noisy. It matters for networks that do not scale
            with their input.
        neighbours: slices of a volume on each side of a record. They share its geology and have
            noise of their own. The kinds of record are then plane, hyperbola and layers.
        alone_share: the share of the sides without a slice, as at the edge of a volume, where the
            record itself stands for it.
        kept: drawn signals from which samples are combined.

    Raises:
        RecipeError: a kind of record or noise is unknown, or a share is not between 0 and 1.
        ReadError: `noise_files` names no file, or one that cannot be read.

    Source: `scionwood_seismic.synth`; the ranges are a choice of this project.
    """

    def __init__(
        self,
        *,
        n_traces: int = 64,
        n_samples: int = 128,
        signals: Sequence[str] = GATHERS,
        noises: Sequence[str] = tuple(COLOURS),
        noise_files: str = "none",
        noise_share: float = 0.25,
        lowest_snr: float = -9.0,
        highest_snr: float = 24.0,
        clean_share: float = 0.12,
        told_share: float = 0.5,
        few_share: float = 0.35,
        unit: Literal["clean", "noisy"] = "clean",
        neighbours: int = 0,
        alone_share: float = 0.15,
        kept: int = 1500,
        batch_size: int = 12,
        n_train: int = 12000,
        n_val: int = 96,
        n_test: int = 96,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, n_train, n_val, n_test, num_workers, seed)
        self.noise_files = noise_files
        check_names("signals", signals, tuple(VOLUMES if neighbours else KINDS))
        check_names("noises", noises, tuple(COLOURS))
        shares = {"noise_share": noise_share, "clean_share": clean_share}
        shares |= {"alone_share": alone_share}
        check_shares(shares | {"told_share": told_share, "few_share": few_share})
        self.shape, self.signals = (n_traces, n_samples), tuple(signals)
        self.noises = tuple(noises)
        self.noise_share, self.snr = noise_share, (lowest_snr, highest_snr)
        self.clean_share, self.told_share, self.few_share = clean_share, told_share, few_share
        self.unit, self.kept = unit, kept
        self.neighbours, self.alone_share = neighbours, alone_share
        self._drawn: OrderedDict[tuple[str, int], np.ndarray] = OrderedDict()

    def sample(self, split: str, index: int, real: NoiseWindows | None = None) -> dict[str, Tensor]:
        """Return one pair, (1, trace, time) each, its mask and its told noise level.

        Args:
            split: the split.
            index: the index of the sample.
            real: real noise; None: that of `noise_files`.
        """
        rng = generator(self.seed, split, index)
        first = index // RENEWED
        one, other = (self._signal(split, first + int(rng.integers(self.kept))) for _ in range(2))
        clean = draw_clean(rng, one, other)
        noise = self._noise(rng, real or self.real)
        level = 10 ** (-rng.uniform(*self.snr) / 20)
        if split == "train" and rng.random() < self.clean_share:
            level = 0.0
        pair = mix(clean, noise, level, draw_traces(rng, self.shape[0], self.few_share))
        entries = tensors(pair, told(rng, pair.level, self.told_share))
        if self.neighbours:
            self._leave_out(rng, entries)
        return entries if self.unit == "clean" else in_noisy_unit(entries)

    def _noise(self, rng: np.random.Generator, real: NoiseWindows | None) -> np.ndarray:
        """Draw noise; that of neighbouring slices is of one kind, and not alike."""
        traces, samples = self.shape
        slices = 1 + 2 * self.neighbours
        noise = draw_noise(rng, (slices * traces, samples), real, self.noise_share, self.noises)
        return noise.reshape(slices, traces, samples) if self.neighbours else noise

    def _leave_out(self, rng: np.random.Generator, entries: dict[str, Tensor]) -> None:
        """Let the record stand for the slices of some sides."""
        for side in range(2):
            if rng.random() < self.alone_share:
                entries["beside"][side::2] = entries["noisy"]

    def _signal(self, split: str, number: int) -> np.ndarray:
        key = split, number
        if key not in self._drawn:
            branch = np.random.SeedSequence(self.seed, spawn_key=(SPLITS.index(split), number, 1))
            rng = np.random.default_rng(branch)
            self._drawn[key] = (
                draw_slices(rng, self.shape, self.signals, self.neighbours)
                if self.neighbours
                else draw_record(rng, self.shape, self.signals)
            )
        while len(self._drawn) > 2 * self.kept:
            self._drawn.popitem(last=False)
        return self._drawn[key]


def told(rng: np.random.Generator, level: float, share: float) -> float:
    """Return the noise level as it is told: 0 for unknown, otherwise within about 20 %."""
    rough_level = max(level * float(np.exp(0.2 * rng.standard_normal())), QUIETEST_TOLD)
    return rough_level if rng.random() < share else 0.0


def tensors(pair: Pair, level: float) -> dict[str, Tensor]:
    """Return the entries of a sample.

    Args:
        pair: the records.
        level: the noise level that is told; 0 for unknown.
    """
    arrays = {"noisy": pair.noisy, "clean": pair.clean, "mask": pair.mask}
    first = {name: x if x.ndim == 2 else x[0] for name, x in arrays.items()}
    entries = {name: torch.from_numpy(x[None]) for name, x in first.items()}
    if pair.noisy.ndim == 3:
        entries["beside"] = torch.from_numpy(pair.noisy[1:].copy())
    return {**entries, "level": torch.tensor(level, dtype=torch.float32)}


def in_noisy_unit(entries: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a sample whose noisy record has an RMS of 1 where there is data."""
    noisy, mask = entries["noisy"], entries["mask"]
    rms = (noisy.square().sum() / mask.sum()).sqrt().clamp_min(1e-12)
    return {name: value if name == "mask" else value / rms for name, value in entries.items()}


def check_shares(shares: dict[str, float]) -> None:
    """Refuse shares outside 0 to 1.

    Raises:
        RecipeError: naming the option.
    """
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise RecipeError(f"data.{name} {share}", "a share lies between 0 and 1", "Such as 0.5")
