"""Recordings with marked calls, cut into windows: what is known of each position."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from scionwood import RecipeError, SplitData
from scionwood.authoring import DataLoader, Split
from scionwood_audio.data.call_scenes import (
    UNKNOWN,
    Parts,
    compose,
    made_backgrounds,
    made_calls,
    made_sounds,
)
from scionwood_audio.data.parts import check_examples, marked_calls, sound_files
from scionwood_audio.inference.sounds import Channel, read_blocks
from scionwood_audio.inference.windows import Window, cut
from scionwood_audio.model.mel import FRAME, RATE

PERIOD = 10
"""Of ten windows in a row, the ninth is for validation and the tenth for test."""

Row = dict[str, Tensor]


@final
class Events(SplitData):
    """Windows of recordings in which calls were marked.

    A position outside of the marked calls is unknown, and has no part in the loss, unless the user
    says that all calls are marked. Positions without a call then come from recordings without it.
    Splits are by recording if there are three or more, else by windows in the order of time, which
    shares the recorder and the animal between them.

    Shapes: a batch holds `samples` (window, 16000 window) float32 and `target` (window, 50 window)
        float32: 1 is a call, 0 is none, -1 is unknown.

    Units: samples from -1 to 1 at 16 kHz.

    Source: the few-shot task of DCASE, arXiv:2305.13210, for events from few examples.

    Args:
        recordings: the files; none means a recording made by us.
        selections: the marked calls of each recording, in the same order.
        label: take the selections with this label only; empty takes all.
        backgrounds: recordings, or folders of them, without the call.
        assume_complete: every call of the recordings is marked.
        channel: the channel of the recordings that is heard.
        expand: how many times slower the recordings are heard.
        window: seconds of a window, that of the backbone.
        batch_size: windows in a batch.
        seed: seed of the recording made by us.

    Raises:
        RecipeError: the lists differ in length, or no position without a call is known.
        ReadError: a file is damaged, or a call lies outside of its recording.
        RateError: a call is above the band of the network.
    """

    def __init__(
        self,
        *,
        recordings: list[str] | None = None,
        selections: list[str] | None = None,
        label: str = "",
        backgrounds: list[str] | None = None,
        assume_complete: bool = False,
        channel: Channel = "mean",
        expand: float = 1.0,
        window: float = 3.0,
        batch_size: int = 8,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.recordings, self.selections = recordings or [], selections or []
        if len(self.recordings) != len(self.selections):
            value = f"{len(self.recordings)} recordings and {len(self.selections)} selections"
            raise RecipeError(value, "each recording has its file of calls", "Name both in order")
        if self.recordings and not (assume_complete or backgrounds):
            rule = "no position is known to be without a call"
            remedy = "Name backgrounds, or set assume_complete if every call is marked"
            raise RecipeError("audio/events", rule, remedy)
        self.label, self.backgrounds, self.complete = label, backgrounds or [], assume_complete
        self.channel, self.expand, self.seed = channel, expand, seed
        self.samples, self.batch_size = round(window * RATE), batch_size
        self._rows: dict[Split, list[Row]] = {}

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split."""
        if not self._rows:
            self._rows = self._split()
        rows: Any = self._rows[split]  # a list is a dataset too
        return DataLoader(rows, self.batch_size, split == "train")

    def _split(self) -> dict[Split, list[Row]]:
        pairs = zip(self.recordings, self.selections, strict=True)
        groups = [self._marked(*pair) for pair in pairs] or [self._made()]
        split: dict[Split, list[Row]] = {"train": [], "val": [], "test": []}
        for number, rows in enumerate(groups):
            for at, row in enumerate(rows):
                if len(groups) >= 3:  # the second recording is for validation, the third for test
                    part: Split = "val" if number == 1 else "test" if number == 2 else "train"
                else:
                    part = _part(at)
                split[part].append(row)
        for path in sound_files(self.backgrounds):
            for at, window in enumerate(self._windows(path)):
                split[_part(at)].append(_row(window, [], True))
        return split

    def _marked(self, recording: str, selections: str) -> list[Row]:
        calls = marked_calls(selections, self.label)
        check_examples(recording, calls, self.expand)
        spans = [(call.start * self.expand, call.end * self.expand) for call in calls]
        rows = [_row(window, spans, self.complete) for window in self._windows(recording)]
        return [row for row in rows if bool((row["target"] >= 0).any())]

    def _windows(self, path: str | Path) -> Iterator[Window]:
        blocks = read_blocks(path, channel=self.channel, expand=self.expand)
        return cut(blocks, self.samples, self.samples)

    def _made(self) -> list[Row]:
        rng = np.random.default_rng(self.seed)
        parts = Parts(made_calls(rng, 5), made_sounds(rng, 20), made_backgrounds(rng))
        scene = compose(parts, 20 * self.samples / RATE, rng)
        windows = cut([scene.samples], self.samples, self.samples)
        return [_row(window, scene.events, True) for window in windows]


def _row(window: Window, calls: list[tuple[float, float]], complete: bool) -> Row:
    """Return a window with the target of each position."""
    target = np.full(len(window.samples) // FRAME, 0.0 if complete else UNKNOWN, np.float32)
    edges = ((np.asarray(calls).reshape(-1, 2) * RATE - window.start) / FRAME).round().astype(int)
    for first, last in edges.clip(0, len(target)):
        target[first:last] = 1.0
    return {"samples": torch.from_numpy(window.samples), "target": torch.from_numpy(target)}


def _part(number: int) -> Split:
    last = number % PERIOD
    return "val" if last == PERIOD - 2 else "test" if last == PERIOD - 1 else "train"
