"""Recordings with a class each: made by this plugin, or your own from a table."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from scionwood import ReadError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_audio.data.made import NAMES, tone
from scionwood_audio.data.tables import deal, read_rows
from scionwood_audio.inference.sounds import read_sound
from scionwood_audio.model.mel import RATE


@final
class Clip(NamedTuple):
    """A window of a recording, (time,) float32 at 16 kHz, with its true samples."""

    samples: Tensor
    length: int
    label: str
    recording: str


def clip_of(samples: np.ndarray, length: int, label: str, recording: str) -> Clip:
    """Return a window of `length` samples; a longer one starts 0.5 s before its loudest sample."""
    if len(samples) > length:
        start = max(0, int(np.abs(samples).argmax()) - RATE // 2)
        samples = samples[min(start, len(samples) - length) :][:length]
    padded = np.pad(samples, (0, length - len(samples))).astype(np.float32)
    return Clip(torch.from_numpy(padded), len(samples), label, recording)


def read_clips(table: str | Path, length: int) -> list[Clip]:
    """Return windows of the recordings of a table, equal samples once."""
    clips: dict[bytes, tuple[Clip, str]] = {}
    for row in read_rows(table, ("path", "label")):
        path, label = row["path"], row["label"]
        samples = read_sound(Path(table).parent / path)
        clip = clip_of(samples, length, label, row.get("recording") or path)
        digest = hashlib.blake2b(samples.tobytes(), digest_size=16).digest()
        first, place = clips.setdefault(digest, (clip, path))
        if first.label != label:
            rule = f"it has the samples of {place}, which is {first.label!r}"
            raise ReadError(f"{path}: {label!r}", rule, "Correct one of the labels")
    return [clip for clip, _ in clips.values()]


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
    def splits(self) -> dict[Split, list[Clip]]:
        """The clips of each split."""
        clips = read_clips(self.source, self.samples) if self.source else self._made()
        dealt = deal([clip.recording for clip in clips], self.seed)
        return {split: [clips[row] for row in rows] for split, rows in dealt.items()}

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split."""
        clips: Any = [clip._asdict() for clip in self.splits[split]]
        return DataLoader(clips, self.batch_size, split == "train")

    def _made(self) -> list[Clip]:
        clips = []
        for number in range(self.n):
            draw, kind = np.random.default_rng((self.seed, number)), number % len(NAMES)
            samples = tone(draw, kind, draw.uniform(0.5, self.samples / RATE))
            samples = samples + 0.02 * draw.standard_normal(len(samples)).astype(np.float32)
            clips.append(clip_of(samples, self.samples, NAMES[kind], str(number)))
        return clips
