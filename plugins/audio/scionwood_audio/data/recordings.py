"""Recordings with a class each: made by this plugin, or your own from a table."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from scionwood import SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_audio.data.made import NAMES, tone
from scionwood_audio.data.tables import Clip, deal, distinct, read_clips
from scionwood_audio.model.mel import RATE


def window_of(clip: Clip, length: int) -> dict[str, Any]:
    """Return a row of `Recordings`; a longer sound starts 0.5 s before its loudest sample."""
    samples = clip.sound
    if len(samples) > length:
        start = max(0, int(np.abs(samples).argmax()) - RATE // 2)
        samples = samples[min(start, len(samples) - length) :][:length]
    padded = np.pad(samples, (0, length - len(samples))).astype(np.float32)
    names = {"label": clip.text, "recording": clip.group}
    return {"samples": torch.from_numpy(padded), "length": len(samples), **names}


def read_classes(table: str | Path) -> list[Clip]:
    """Return the recordings of a table `path,label[,recording]`, equal samples once."""
    return distinct(read_clips(Path(table), "label", "recording"), refuse=True)


@final
class Recordings(SplitData):
    """Recordings with a class each, split so that each recording is in one split only.

    Without a source they are tones that rise, fall, stay or tremble, over noise. With a source they
    are your own: a CSV with the columns `path`, `label` and, if several files were cut from one
    recording, `recording`. Files with equal samples count once. The windows stay in memory.

    Shapes: a batch holds `samples` (batch, 16000 window) float32, `length` (batch,) int64, and the
        names of the `label` and the `recording` of each.

    Units: samples from -1 to 1 at 16 kHz; length in samples.

    Raises:
        RecipeError: there are fewer than three recordings.
        ReadError: the table or a sound cannot be read, or one sound has two labels.

    Source: this project's.

    Args:
        source: the CSV file; `None` means tones made here.
        n: tones that are made in all, 70 of 100 for training.
        window: seconds of the window; it must be that of the backbone.
        batch_size: recordings in a batch.
        seed: seed of the tones and of the splits.
    """

    def __init__(
        self,
        *,
        source: str | None = None,
        n: int = 80,
        window: float = 3.0,
        batch_size: int = 12,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.source, self.n, self.batch_size, self.seed = source, n, batch_size, seed
        self.samples = round(window * RATE)

    def setup(self, stage: str) -> None:
        """Read the table, so that its errors come before training."""
        _ = self.splits

    @cached_property
    def splits(self) -> dict[Split, list[dict[str, Any]]]:
        """The rows of each split."""
        clips = read_classes(self.source) if self.source else self._made()
        dealt = deal([clip.group for clip in clips], self.seed)
        return {
            split: [window_of(clips[row], self.samples) for row in rows]
            for split, rows in dealt.items()
        }

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split."""
        rows: Any = self.splits[split]  # a list is a dataset too
        return DataLoader(rows, self.batch_size, split == "train")

    def _made(self) -> list[Clip]:
        clips = []
        for number in range(self.n):
            draw, kind = np.random.default_rng((self.seed, number)), number % len(NAMES)
            samples = tone(draw, kind, draw.uniform(0.5, self.samples / RATE))
            samples = samples + 0.02 * draw.standard_normal(len(samples)).astype(np.float32)
            clips.append(Clip(samples, NAMES[kind], str(number), ""))
        return clips
