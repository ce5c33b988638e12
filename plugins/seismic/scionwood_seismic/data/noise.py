"""Training data with the noise of a user's own files: windows without signal, cut from any file."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, final

import numpy as np
from torch import Tensor

from scionwood import ReadError, RecipeError
from scionwood_seismic.data.field import FieldCrops
from scionwood_seismic.data.noise_files import SHORTEST, Window, canonical_noise
from scionwood_seismic.data.samples_on_demand import OnDemandData
from scionwood_seismic.synth.canonical import Domain
from scionwood_seismic.synth.field_noise import NoiseWindows

PARTS = {"train": (0.0, 0.7), "val": (0.7, 0.85), "test": (0.85, 1.0)}
"""The part of each noise window, in time, that a split uses."""


@final
class FieldNoise(OnDemandData):
    """Generated signal with real noise, cut from any file that a reader knows.

    The files may hold signal outside of the window. Each record is brought to the canonical
    sampling as `denoise` does. Training uses the first 70 % of each window in time, validation the
    next 15 %, and the test the rest.

    Shapes: a batch contains `noisy`, `clean` and `mask`, (batch, 1, trace, time) float32, and
    `level`, (batch,), the RMS of the noise where it is told, and 0 elsewhere.

    Units: amplitudes divided by the RMS of the clean record.

    Args:
        path: a file, a folder or a glob.
        window: start and end of the noise in each record, s from its start; null: the quietest
            quarter of each record.
        domain: the kind of record: shot, stack or das; see `synth.canonical.plan`.
        noise_share: the share of the records whose noise starts from a window; the others have
            generated noise.
        n_traces: traces per record, at most.
        n_samples: canonical samples per trace.
        lowest_snr: the lowest SNR of a noisy record, dB.
        highest_snr: the highest SNR, dB.
        clean_share: the share of training records without noise.

    Raises:
        RecipeError: no file is named, a share is not between 0 and 1, or the window is empty.
        ReadError: a file cannot be read, or a window is too short for three splits.

    Source: `scionwood_seismic.synth`, and the files of the user.
    """

    def __init__(
        self,
        *,
        path: str = "none",
        window: tuple[float, float] | None = None,
        domain: Literal["shot", "stack", "das"] = "shot",
        noise_share: float = 0.8,
        n_traces: int = 64,
        n_samples: int = 128,
        lowest_snr: float = -9.0,
        highest_snr: float = 24.0,
        clean_share: float = 0.12,
        batch_size: int = 12,
        n_train: int = 12000,
        n_val: int = 96,
        n_test: int = 96,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, n_train, n_val, n_test, num_workers, seed)
        if window is not None and not 0 <= window[0] < window[1]:
            rule = "a window has a start from 0 on and a later end, s"
            raise RecipeError(f"data.window {list(window)}", rule, "Such as [0.0, 0.2]")
        self.path, self.window = path, window
        self.domain: Domain = domain
        self.crops = FieldCrops(
            n_traces=n_traces,
            n_samples=n_samples,
            noise_share=noise_share,
            lowest_snr=lowest_snr,
            highest_snr=highest_snr,
            clean_share=clean_share,
            seed=seed,
        )

    def setup(self, stage: str) -> None:
        """Read the noise, so that errors appear before training."""
        _ = self.windows

    @cached_property
    def windows(self) -> dict[str, NoiseWindows]:
        """The noise of each split, at the canonical sampling."""
        if self.path == "none":
            rule = "it names the files from which noise is cut"
            raise RecipeError("data.path none", rule, "Give a file, a folder or a glob")
        records = canonical_noise(self.path, self.window, self.domain)
        return {
            split: NoiseWindows([part(r, span) for r in records]) for split, span in PARTS.items()
        }

    def sample(self, split: str, index: int) -> dict[str, Tensor]:
        """Return one pair, (1, trace, time) each, its mask and its told noise level."""
        return self.crops.sample(split, index, self.windows[split])


def part(record: np.ndarray, span: Window) -> np.ndarray:
    """Return the part of a record, (trace, time), between two shares of its length.

    Raises:
        ReadError: the part is shorter than 8 samples.
    """
    first, last = (round(share * record.shape[1]) for share in span)
    if last - first < SHORTEST // 4:
        rule = f"a window of {record.shape[1]} canonical samples cannot be split in three"
        raise ReadError("the noise", rule, "Give a longer data.window, or longer records")
    return record[:, first:last]
