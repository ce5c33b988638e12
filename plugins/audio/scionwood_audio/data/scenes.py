"""Clips that are heard and seen: composed by this plugin, or your own from a table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from scionwood import ReadError, RecipeError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_audio.data.made import scene
from scionwood_audio.data.tables import deal, read_rows
from scionwood_audio.inference.sounds import read_sound
from scionwood_audio.model.mel import RATE


@final
class Scenes(SplitData):
    """Clips with one picture a second; a second is an event, heard and seen, or background.

    Without a source they are composed here: four tones and four patterns over noise; an event
    counts only in the seconds in which tone and pattern belong together. With a source they are
    your own: a CSV with the columns `clip` (a sound), `picture` (a file, or a folder with one
    picture a second, in the order of their names) and `text` (the event), and, if you have them,
    `start` and `end` (seconds in which it is heard and seen; empty means the whole clip, the same
    number twice means never) and `recording` (clips of one recording stay in one split).

    Shapes: a batch holds `samples` (batch, 16000 seconds) and `pictures` (batch, second, 3, side,
        side) float32, `event` (batch, second) bool, and `text`, the name of the event of each clip.

    Units: samples from -1 to 1 at 16 kHz; pictures from 0 to 1.

    Raises:
        RecipeError: there are fewer than three recordings, a clip has two rows, or a row has
            impossible seconds.
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

    def setup(self, stage: str) -> None:
        """Read the table, so that its errors come before training."""
        self.loader("train")

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split."""
        if self.source is None:
            chosen: Any = deal([str(k) for k in range(self.n)], self.seed)[split]
            return DataLoader(chosen, self.batch_size, split == "train", collate_fn=self._made)
        rows = read_rows(self.source, ("clip", "picture", "text"))
        ((clip, count),) = Counter(row["clip"] for row in rows).most_common(1)
        if count > 1:
            value, rule = f"{self.source}: clip {clip!r} {count} times", "there is one row a clip"
            raise RecipeError(value, rule, "Cut the sound, so that each clip has one event")
        dealt = deal([row.get("recording") or row["clip"] for row in rows], self.seed)[split]
        chosen = [rows[k] for k in dealt]
        return DataLoader(chosen, self.batch_size, split == "train", collate_fn=self._read)

    def _made(self, numbers: list[int]) -> Any:
        draws = (np.random.default_rng((self.seed, number)) for number in numbers)
        return default_collate([scene(draw, self.seconds, self.side) for draw in draws])

    def _read(self, rows: list[dict[str, str]]) -> Any:
        folder, length, clips = Path(str(self.source)).parent, self.seconds * RATE, []
        for row in rows:
            samples = read_sound(folder / row["clip"])[:length]
            first, last = self._span(row)
            # A second belongs to the event if at least half of it does.
            event = [min(last, k + 1) - max(first, k) >= 0.5 for k in range(self.seconds)]
            clip = {"samples": np.pad(samples, (0, length - len(samples))), "text": row["text"]}
            clip |= {"pictures": self._pictures(folder / row["picture"]), "event": np.array(event)}
            clips.append(clip)
        return default_collate(clips)

    def _pictures(self, path: Path) -> Tensor:
        from PIL import Image

        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        if 1 != len(files) < self.seconds:
            rule = f"it has {len(files)} pictures, and a clip has {self.seconds} seconds"
            raise ReadError(str(path), rule, "Give one picture a second, or set data.seconds")
        pictures = []
        for file in files[: self.seconds]:
            try:
                with Image.open(file) as image:
                    small = image.convert("RGB").resize((self.side, self.side))
            except (OSError, ValueError, Image.DecompressionBombError) as error:
                rule = f"no picture can be read ({error})"
                raise ReadError(str(file), rule, "Export it again") from error
            pictures.append(torch.from_numpy(np.array(small, np.float32) / 255).permute(2, 0, 1))
        return torch.stack(pictures).expand(self.seconds, -1, -1, -1)

    def _span(self, row: dict[str, str]) -> tuple[float, float]:
        value = f"{self.source}: start {row.get('start')!r}, end {row.get('end')!r}"
        try:
            first, last = float(row.get("start") or 0), float(row.get("end") or self.seconds)
        except ValueError as error:
            raise RecipeError(value, "they are seconds of the clip", "Correct the row") from error
        if not 0 <= first <= last:
            raise RecipeError(value, "an event begins in the clip and before its end", "Correct it")
        return first, last
