"""Recordings with a class each: made by this plugin, or your own from a table."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from scionwood import ReadError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_audio.data.made import NAMES, tone
from scionwood_audio.data.scenes import collated
from scionwood_audio.data.tables import Items, deal, read_rows, resolved
from scionwood_audio.inference.sounds import read_sound
from scionwood_audio.model.mel import RATE


@final
class Clip(NamedTuple):
    """A recording of a table.

    Attributes:
        path: the file.
        label: its class.
        recording: what it was cut from; clips of one stay in one split.
    """

    path: Path
    label: str
    recording: str


def read_clips(table: str | Path) -> list[Clip]:
    """Return the recordings of a table, equal samples once.

    Args:
        table: a CSV file with the columns `path` and `label`, and `recording` if several files
            were cut from one; paths are relative to its folder.

    Raises:
        ReadError: the table or a sound cannot be read, or one sound has two labels.
    """
    clips: dict[bytes, Clip] = {}
    for row in read_rows(table, ("path", "label")):
        clip = Clip(resolved(table, row["path"]), row["label"], row.get("recording") or row["path"])
        digest = hashlib.blake2b(read_sound(clip.path).tobytes(), digest_size=16).digest()
        first = clips.setdefault(digest, clip)
        if first.label != clip.label:
            rule = f"it has the samples of {first.path}, which is {first.label!r}"
            raise ReadError(f"{clip.path}: {clip.label!r}", rule, "Correct one of the labels")
    return list(clips.values())


def heard(samples: np.ndarray, length: int) -> tuple[Tensor, Tensor]:
    """Return a window of a recording, and how many of its samples are true.

    A longer recording is cut half a second before its loudest sample.

    Args:
        samples: (time,) float32 at 16 kHz.
        length: samples of the window.
    """
    if len(samples) > length:
        start = max(0, int(np.abs(samples).argmax()) - RATE // 2)
        samples = samples[min(start, len(samples) - length) :][:length]
    padded = np.pad(samples, (0, length - len(samples))).astype(np.float32)
    return torch.from_numpy(padded), torch.tensor(len(samples))


@final
class Recordings(SplitData):
    """Recordings with a class each, split so that each recording is in one split only.

    Without a source they are tones that rise, fall, stay or tremble, over noise. With a source they
    are your own: a CSV with the columns `path`, `label` and, if several files were cut from one
    recording, `recording`. Files with equal samples count once.

    Shapes: a batch holds `samples` (batch, 16000 window) float32, `length` and `label` (batch,)
        int64, and `classes`, the names.

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
        self.length = round(window * RATE)
        self._clips: list[Clip] = []

    @property
    def classes(self) -> list[str]:
        """The names of the classes."""
        if self.source is None:
            return list(NAMES)
        return sorted({clip.label for clip in self.clips()})

    def clips(self) -> list[Clip]:
        """Return the recordings of the table, which is read once."""
        if not self._clips:
            self._clips = read_clips(str(self.source))
        return self._clips

    def setup(self, stage: str) -> None:
        """Read the table, so that its errors come before training."""
        self.places("train")

    def places(self, split: Split) -> list[int]:
        """Return the places of the recordings of a split."""
        composed = self.source is None
        groups = (
            [str(k) for k in range(self.n)] if composed else [c.recording for c in self.clips()]
        )
        return deal(groups, self.seed, "clips")[split]

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split."""
        dataset = Items([partial(self._item, place) for place in self.places(split)])
        collate = partial(collated, classes=self.classes)
        return DataLoader(dataset, self.batch_size, split == "train", collate_fn=collate)

    def _item(self, place: int) -> dict[str, Any]:
        if self.source is None:
            draw, label = np.random.default_rng((self.seed, place)), place % len(NAMES)
            samples = tone(draw, label, draw.uniform(0.5, self.length / RATE))
            samples = samples + 0.02 * draw.standard_normal(len(samples)).astype(np.float32)
        else:
            clip = self.clips()[place]
            samples, label = read_sound(clip.path), self.classes.index(clip.label)
        window, length = heard(samples, self.length)
        return {"samples": window, "length": length, "label": torch.tensor(label)}
