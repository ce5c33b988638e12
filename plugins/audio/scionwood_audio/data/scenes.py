"""Clips that are heard and seen: composed by this plugin, or your own from a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from scionwood import ReadError, RecipeError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_audio.data.made import scene
from scionwood_audio.data.splits import deal
from scionwood_audio.data.tables import read_rows, resolved
from scionwood_audio.inference.sounds import read_sound
from scionwood_audio.model.audio_visual import NAMES
from scionwood_audio.model.mel import RATE

PLACES = {"train": 0, "val": 1, "test": 2}


class Scene(TypedDict):
    """A clip: samples (time,), pictures (second, 3, side, side), label (second,), and its text."""

    samples: Tensor
    pictures: Tensor
    label: Tensor
    text: str


@final
class Scenes(SplitData):
    """Clips with one picture a second, and the event of each second: heard and seen, or background.

    Without a source they are composed here: four tones and four patterns over noise; an event
    counts only in the seconds in which tone and pattern belong together. With a source they are
    your own: a CSV with the columns `clip` (a sound), `picture` (a file, or a folder with one
    picture a second, in the order of their names) and `text` (the event), and, if you have them,
    `start` and `end` (seconds in which it is heard and seen; empty means the whole clip, the same
    number twice means never) and `recording` (clips of one recording stay in one split).

    Shapes: a batch holds `samples` (batch, 16000 seconds) and `pictures` (batch, second, 3, side,
        side) float32, `label` (batch, second) int64, `text`, one a clip, and `classes`, the names;
        the label of background is their number.

    Units: samples from -1 to 1 at 16 kHz; pictures from 0 to 1.

    Raises:
        RecipeError: there are fewer than three recordings.
        ReadError: the table, a sound or a picture cannot be read.

    Source: the protocol of AVE, Y. Tian et al. 2018 (doi:10.1007/978-3-030-01216-8_16).

    Args:
        source: the CSV file; `None` means scenes made here.
        n: scenes that are made in all, 70 of 100 for training.
        seconds: seconds of a clip; longer clips are cut, shorter ones end in silence.
        side: side of a picture in pixels; it must be that of the backbone.
        batch_size: clips in a batch.
        seed: seed of the scenes and of the splits.
    """

    def __init__(
        self,
        *,
        source: str | None = None,
        n: int = 120,
        seconds: int = 4,
        side: int = 70,
        batch_size: int = 10,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.source, self.n, self.seconds, self.side = source, n, seconds, side
        self.batch_size, self.seed = batch_size, seed
        self._table: list[dict[str, str]] = []

    @property
    def classes(self) -> list[str]:
        """The names of the events."""
        if self.source is None:
            return list(NAMES)
        return sorted({row["text"] for row in self._rows() if row["text"]})

    def setup(self, stage: str) -> None:
        """Read the table, so that its errors come before training."""
        if self.source is not None:
            deal(self._groups(), self.seed, "clips")

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split."""
        dataset: Dataset[Scene]
        if self.source is None:
            shares = {"train": 0.7, "val": 0.15, "test": 0.15}
            dataset = _Composed(self, PLACES[split], max(1, round(shares[split] * self.n)))
        else:
            rows, parts = self._rows(), deal(self._groups(), self.seed, "clips")
            chosen = {rows[k]["clip"]: None for k in parts[split]}
            dataset = _OfTable(self, [[r for r in rows if r["clip"] == c] for c in chosen])
        return DataLoader(
            dataset, self.batch_size, split == "train", collate_fn=_Collate(self.classes)
        )

    def _rows(self) -> list[dict[str, str]]:
        if not self._table:
            self._table = read_rows(str(self.source), ("clip", "picture", "text"))
        return self._table

    def _groups(self) -> list[str]:
        return [row.get("recording") or row["clip"] for row in self._rows()]


@final
class _Collate:
    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)

    def __call__(self, scenes: Sequence[Scene]) -> dict[str, Any]:
        return {
            "samples": torch.stack([s["samples"] for s in scenes]),
            "pictures": torch.stack([s["pictures"] for s in scenes]),
            "label": torch.stack([s["label"] for s in scenes]),
            "text": [s["text"] for s in scenes],
            "classes": self.classes,
        }


@final
class _Composed(Dataset[Scene]):
    def __init__(self, data: Scenes, place: int, count: int) -> None:
        self.data, self.place, self.count = data, place, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Scene:
        draw = np.random.default_rng((self.data.seed, self.place, index))
        samples, pictures, label, text = scene(draw, self.data.seconds, self.data.side)
        return {
            "samples": torch.from_numpy(samples),
            "pictures": torch.from_numpy(pictures),
            "label": torch.from_numpy(label),
            "text": NAMES[text],
        }


@final
class _OfTable(Dataset[Scene]):
    def __init__(self, data: Scenes, clips: list[list[dict[str, str]]]) -> None:
        self.data, self.clips = data, clips

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Scene:
        data, rows = self.data, self.clips[index]
        assert data.source is not None
        path = resolved(data.source, rows[0]["clip"])
        length = data.seconds * RATE
        samples = read_sound(path)[:length]
        label = torch.full((data.seconds,), len(data.classes))
        for row in rows:
            first, last = _span(data.source, row, data.seconds)
            for second in range(data.seconds):
                # A second belongs to the event if at least half of it does.
                if row["text"] and min(last, second + 1) - max(first, second) >= 0.5:
                    label[second] = data.classes.index(row["text"])
        return {
            "samples": torch.from_numpy(np.pad(samples, (0, length - len(samples)))),
            "pictures": read_pictures(
                resolved(data.source, rows[0]["picture"]), data.seconds, data.side
            ),
            "label": label,
            "text": rows[0]["text"],
        }


def read_pictures(path: Path, seconds: int, side: int) -> Tensor:
    """Read one picture a second: a file for all, or the files of a folder in order.

    Returns:
        (second, 3, side, side) float32 from 0 to 1.

    Raises:
        ReadError: there is no picture, it is damaged or too large, or a folder has too few.
    """
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    if len(files) == 1:
        return _picture(files[0], side).expand(seconds, -1, -1, -1)
    if len(files) < seconds:
        rule = f"it has {len(files)} pictures, and a clip has {seconds} seconds"
        raise ReadError(str(path), rule, "Give one picture a second, or set data.seconds")
    return torch.stack([_picture(file, side) for file in files[:seconds]])


def _picture(path: Path, side: int) -> Tensor:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            small = image.convert("RGB").resize((side, side))
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
        raise ReadError(
            str(path), f"no picture can be read ({error})", "Export it again"
        ) from error
    return torch.from_numpy(np.array(small, np.float32) / 255).permute(2, 0, 1)


def _span(table: str, row: dict[str, str], seconds: int) -> tuple[float, float]:
    try:
        first, last = float(row.get("start") or 0), float(row.get("end") or seconds)
    except ValueError as error:
        value = f"{table}: start {row.get('start')!r}, end {row.get('end')!r}"
        raise RecipeError(value, "they are seconds of the clip", "Correct the row") from error
    if not 0 <= first <= last:
        value = f"{table}: start {first:g}, end {last:g}"
        raise RecipeError(value, "an event begins in the clip and before its end", "Correct it")
    return first, last
