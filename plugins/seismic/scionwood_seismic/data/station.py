"""Training data of single stations: generated earthquakes with generated and real noise."""

from __future__ import annotations

from typing import final

import numpy as np
from torch import Tensor

from scionwood_seismic.data.field import check_shares, tensors
from scionwood_seismic.data.noise_files import NoisyOnDemand
from scionwood_seismic.data.synthetic import generator
from scionwood_seismic.synth.field_pair import mix
from scionwood_seismic.synth.quake import COMPONENTS, draw_quake, draw_station_noise


@final
class StationRecords(NoisyOnDemand):
    """Pairs of a noisy and a clean record of three components, generated on demand.

    A sample depends only on the seed, the split and the index.

    Shapes: a batch contains `noisy`, `clean` and `mask`, (batch, 1, component, time) float32, and
    `level`, (batch,), which is 0: a station's noise level is never told.

    Units: amplitudes divided by the RMS of the clean record.

    Args:
        n_samples: samples of a component.
        noise_files: noise records of your own, a file, a folder or a glob; `none`: generated noise.
        noise_share: the share of the records whose noise comes from these files.
        lowest_snr: the lowest SNR of a noisy record, dB.
        highest_snr: the highest SNR, dB. Each record draws its own between the two.
        clean_share: the share of training records without noise, which are returned unchanged.
        single_share: the share of the records with one component.

    Raises:
        RecipeError: a share is not between 0 and 1.
        ReadError: `noise_files` names no file, or one that cannot be read.

    Source: `scionwood_seismic.synth.quake`; the ranges are a choice of this project.
    """

    def __init__(
        self,
        *,
        n_samples: int = 2048,
        noise_files: str = "none",
        noise_share: float = 0.4,
        lowest_snr: float = -8.0,
        highest_snr: float = 24.0,
        clean_share: float = 0.15,
        single_share: float = 0.3,
        batch_size: int = 8,
        n_train: int = 12000,
        n_val: int = 64,
        n_test: int = 64,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, n_train, n_val, n_test, num_workers, seed)
        self.noise_files = noise_files
        shares = {"noise_share": noise_share, "clean_share": clean_share}
        check_shares(shares | {"single_share": single_share})
        self.n_samples, self.noise_share = n_samples, noise_share
        self.snr = lowest_snr, highest_snr
        self.clean_share, self.single_share = clean_share, single_share

    def sample(self, split: str, index: int) -> dict[str, Tensor]:
        """Return one pair, (1, component, time) each, and its mask."""
        rng = generator(self.seed, split, index)
        clean = draw_quake(rng, self.n_samples)
        noise = draw_station_noise(rng, self.n_samples, self.real, self.noise_share)
        level = 10 ** (-rng.uniform(*self.snr) / 20)
        if split == "train" and rng.random() < self.clean_share:
            level = 0.0
        count = 1 if rng.random() < self.single_share else COMPONENTS
        order = rng.permutation(COMPONENTS)  # no component has a place of its own
        return tensors(mix(np.ascontiguousarray(clean[order]), noise, level, count), 0.0)
