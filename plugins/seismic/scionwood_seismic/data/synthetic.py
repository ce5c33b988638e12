"""Synthetic training data: gathers and noise drawn from a seed, without a download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from scionwood import RecipeError
from scionwood_seismic.data.normalise import scale
from scionwood_seismic.data.samples_on_demand import OnDemandData
from scionwood_seismic.synth.mixture import average_gauge, corrupt
from scionwood_seismic.synth.noise import NOISES, UNSEEN
from scionwood_seismic.synth.signal import SIGNALS, draw_gather

SPLITS = ("train", "val", "test", "simulate", "pretrain")
"""Each split has its own branch of the seed, so that no two splits share a sample."""

NOISE_CLASSES = (*NOISES, *UNSEEN)
"""Every noise class."""


def generator(seed: int, split: str, index: int) -> np.random.Generator:
    """Return the random number generator of one sample; it does not depend on the process."""
    branch = np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), index))
    return np.random.default_rng(branch)


@final
class SyntheticGathers(OnDemandData):
    """Pairs of a noisy and a clean gather, generated on demand.

    A sample depends only on the seed, the split and the index.

    Shapes: a batch contains `noisy` and `clean`, (batch, 1, trace, time) float32; `noise`,
    (batch,), the index of each gather's noise class; and `dt`, (batch,), s.

    Units: both gathers are divided by `normalise.scale` of the noisy one.

    Args:
        n_traces: traces per gather.
        n_samples: samples per trace.
        dt: the sample interval, s.
        dx: the distance between traces, m.
        signals: kinds of gather: reflection, vsp, microseismic.
        noises: noise classes; by default those that the recipes train on.
        lowest_snr: the lowest SNR of a noisy gather, dB.
        highest_snr: the highest SNR, dB. The SNR of each gather is uniform between the two.
        clean_share: the share of training gathers without noise. From them the denoiser learns to
            leave a clean gather unchanged.
        quiet: length of the signal-free start of each gather, s.
        test_noises: noise classes of the test split; by default those of `noises`.
        test_signals: kinds of gather of the test split; by default those of `signals`.
        gauge: the number of traces that the gauge length of a fibre covers; 1 for point sensors.

    Raises:
        RecipeError: a kind of gather or a noise class is unknown.

    Source: `scionwood_seismic.synth` names a source for each moveout and noise class. The
    parameter ranges are a choice of this project.
    """

    def __init__(
        self,
        *,
        n_traces: int = 128,
        n_samples: int = 128,
        dt: float = 0.002,
        dx: float = 12.5,
        signals: Sequence[str] = SIGNALS,
        noises: Sequence[str] = tuple(NOISES),
        lowest_snr: float = -8.0,
        highest_snr: float = 8.0,
        clean_share: float = 0.1,
        quiet: float = 0.0,
        test_noises: Sequence[str] | None = None,
        test_signals: Sequence[str] | None = None,
        gauge: int = 1,
        batch_size: int = 8,
        n_train: int = 4000,
        n_val: int = 40,
        n_test: int = 100,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, n_train, n_val, n_test, num_workers, seed)
        check_names("signals", signals, SIGNALS)
        check_names("noises", noises, NOISE_CLASSES)
        check_names("test_signals", test_signals or signals, SIGNALS)
        check_names("test_noises", test_noises or noises, NOISE_CLASSES)
        check_quiet(quiet, n_samples * dt)
        self.shape, self.dt, self.dx = (n_traces, n_samples), dt, dx
        self.signals, self.noises = tuple(signals), tuple(noises)
        self.test_signals = tuple(test_signals or signals)
        self.test_noises, self.quiet = tuple(test_noises or noises), round(quiet / dt)
        self.snr, self.gauge, self.clean_share = (lowest_snr, highest_snr), gauge, clean_share

    def sample(self, split: str, index: int) -> dict[str, Tensor]:
        """Return one pair, (1, trace, time) each, and its noise class; classes alternate."""
        rng = generator(self.seed, split, index)
        test = split == "test"
        noises, signals = (
            (self.test_noises, self.test_signals) if test else (self.noises, self.signals)
        )
        which = index % len(noises)
        clean = self._clean(rng, str(rng.choice(signals)))
        snr = rng.uniform(*self.snr)
        noisy = corrupt(rng, clean, noises[which], snr, dt=self.dt, dx=self.dx)
        if split == "train" and rng.random() < self.clean_share:
            noisy = clean
        noisy, clean = (average_gauge(x, self.gauge) for x in (noisy, clean))
        unit = scale(noisy)
        return {
            "noisy": torch.from_numpy((noisy / unit)[None].astype(np.float32)),
            "clean": torch.from_numpy((clean / unit)[None].astype(np.float32)),
            "noise": torch.tensor(which),
            "dt": torch.tensor(self.dt),
        }

    def _clean(self, rng: np.random.Generator, kind: str) -> np.ndarray:
        traces, samples = self.shape
        events = draw_gather(rng, (traces, samples - self.quiet), dt=self.dt, dx=self.dx, kind=kind)
        return np.pad(events, ((0, 0), (self.quiet, 0)))


def check_names(option: str, names: Sequence[str], choices: Sequence[str]) -> None:
    """Refuse an empty list and unknown names.

    Raises:
        RecipeError: the list is empty, or a name in it is unknown.
    """
    unknown: list[Any] = [name for name in names if name not in choices]
    if unknown or not names:
        value = f"{option}: {unknown[0] if unknown else 'nothing'}"
        raise RecipeError(value, f"one or more of {', '.join(choices)}", "Correct the name")


def check_quiet(quiet: float, length: float) -> None:
    """Refuse a signal-free start that leaves no time for arrivals.

    Args:
        quiet: length of the signal-free start, s.
        length: length of the record, s.

    Raises:
        RecipeError: `quiet` is negative, or not shorter than the record.
    """
    if not 0 <= quiet < length:
        rule = f"at least 0 and less than the record's {length:g} s"
        raise RecipeError(f"quiet: {quiet}", rule, "Such as a tenth of the record")


def noise_classes(names: str) -> list[str]:
    """Return the classes in a comma-separated list; `all` means those that the recipes train on.

    Raises:
        RecipeError: a name is unknown.
    """
    kinds = list(NOISES) if names == "all" else [name.strip() for name in names.split(",")]
    check_names("noise", kinds, NOISE_CLASSES)
    return kinds
