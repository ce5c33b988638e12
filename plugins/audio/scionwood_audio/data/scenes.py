"""Clips that are heard and seen: composed by this plugin, or your own from a table."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from scionwood import ReadError, RecipeError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_audio.data.made import NAMES, scene
from scionwood_audio.data.tables import Items, deal, read_rows, resolved
from scionwood_audio.inference.sounds import read_sound
from scionwood_audio.model.mel import RATE

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}


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
        RecipeError: there are fewer than three recordings, or a row has impossible seconds.
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
            self._clips("train")

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split."""
        if self.source is None:
            place, count = list(SHARES).index(split), max(1, round(SHARES[split] * self.n))
            dataset = Items([partial(self._composed, place, k) for k in range(count)])
        else:
            dataset = Items([partial(self._read, rows) for rows in self._clips(split)])
        collate = partial(collated, classes=self.classes)
        return DataLoader(dataset, self.batch_size, split == "train", collate_fn=collate)

    def _rows(self) -> list[dict[str, str]]:
        if not self._table:
            self._table = read_rows(str(self.source), ("clip", "picture", "text"))
        return self._table

    def _clips(self, split: Split) -> list[list[dict[str, str]]]:
        rows = self._rows()
        groups = [row.get("recording") or row["clip"] for row in rows]
        names = dict.fromkeys(rows[k]["clip"] for k in deal(groups, self.seed, "clips")[split])
        return [[row for row in rows if row["clip"] == name] for name in names]

    def _composed(self, place: int, index: int) -> dict[str, Any]:
        draw = np.random.default_rng((self.seed, place, index))
        *arrays, kind = scene(draw, self.seconds, self.side)
        samples, pictures, label = map(torch.from_numpy, arrays)
        return {"samples": samples, "pictures": pictures, "label": label, "text": NAMES[kind]}

    def _read(self, rows: list[dict[str, str]]) -> dict[str, Any]:
        table, length = str(self.source), self.seconds * RATE
        samples = read_sound(resolved(table, rows[0]["clip"]))[:length]
        label = torch.full((self.seconds,), len(self.classes))
        for row in rows:
            first, last = _span(table, row, self.seconds)
            for second in range(self.seconds):
                # A second belongs to the event if at least half of it does.
                if row["text"] and min(last, second + 1) - max(first, second) >= 0.5:
                    label[second] = self.classes.index(row["text"])
        return {
            "samples": torch.from_numpy(np.pad(samples, (0, length - len(samples)))),
            "pictures": _pictures(resolved(table, rows[0]["picture"]), self.seconds, self.side),
            "label": label,
            "text": rows[0]["text"],
        }


def collated(items: Sequence[dict[str, Any]], classes: list[str]) -> dict[str, Any]:
    """Return a batch: tensors are stacked, texts and numbers listed, and the classes added."""
    batch = {key: [item[key] for item in items] for key in items[0]}
    stacked = {k: torch.stack(v) for k, v in batch.items() if isinstance(v[0], Tensor)}
    return {**batch, **stacked, "classes": classes}


def _pictures(path: Path, seconds: int, side: int) -> Tensor:
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    if len(files) == 1:
        return _picture(files[0], side).expand(seconds, -1, -1, -1)
    if len(files) < seconds:
        rule = f"it has {len(files)} pictures, and a clip has {seconds} seconds"
        raise ReadError(str(path), rule, "Give one picture a second, or set data.seconds")
    return torch.stack([_picture(file, side) for file in files[:seconds]])


def _picture(path: Path, side: int) -> Tensor:
    from PIL import Image

    try:
        with Image.open(path) as image:
            small = image.convert("RGB").resize((side, side))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        rule = f"no picture can be read ({error})"
        raise ReadError(str(path), rule, "Export it again") from error
    return torch.from_numpy(np.array(small, np.float32) / 255).permute(2, 0, 1)


def _span(table: str, row: dict[str, str], seconds: int) -> tuple[float, float]:
    value = f"{table}: start {row.get('start')!r}, end {row.get('end')!r}"
    try:
        first, last = float(row.get("start") or 0), float(row.get("end") or seconds)
    except ValueError as error:
        raise RecipeError(value, "they are seconds of the clip", "Correct the row") from error
    if not 0 <= first <= last:
        raise RecipeError(value, "an event begins in the clip and before its end", "Correct it")
    return first, last
