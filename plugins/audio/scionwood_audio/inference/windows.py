"""Windows on an absolute grid, and the scores of a recording that they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from scionwood_audio.model.mel import FRAME


class Window(NamedTuple):
    """A window (time,) float32 of a recording: its first sample, and how many are of it."""

    start: int
    samples: np.ndarray
    length: int


@final
class Windows:
    """Cuts samples that arrive in pieces into windows that begin at multiples of a hop."""

    def __init__(self, length: int, hop: int) -> None:
        self.length, self.hop = length, hop
        self._rest, self._start = np.zeros(0, np.float32), 0

    def feed(self, samples: np.ndarray) -> list[Window]:
        """Return the windows that these samples complete."""
        self._rest = np.concatenate([self._rest, samples.astype(np.float32, copy=False)])
        complete = []
        while len(self._rest) >= self.length:
            complete.append(Window(self._start, self._rest[: self.length].copy(), self.length))
            self._rest, self._start = self._rest[self.hop :], self._start + self.hop
        return complete

    def close(self) -> list[Window]:
        """Return the last window if it holds samples that no other one held."""
        if len(self._rest) <= (self.length - self.hop if self._start else 0):
            return []
        padded = np.pad(self._rest, (0, self.length - len(self._rest)))
        return [Window(self._start, padded, len(self._rest))]


def cut(pieces: Iterable[np.ndarray], length: int, hop: int) -> Iterator[Window]:
    """Yield the windows of a recording; see `Windows`."""
    cutter = Windows(length, hop)
    for piece in pieces:
        yield from cutter.feed(piece)
    yield from cutter.close()


BATCH = 4
"""Windows that are computed at once: ten are no faster on a core, and take 100 MB more."""

Score = Callable[[Tensor], Tensor]
"""Maps windows (batch, sample) to outputs (batch, position) or (batch, position, width)."""


@torch.no_grad()
def score_pieces(pieces: Iterable[np.ndarray], score: Score, length: int, hop: int) -> np.ndarray:
    """Return the outputs of each position of a recording.

    Where windows overlap, their outputs are averaged, and count less towards the ends of a window,
    where a network hears little of what surrounds a position.

    Returns:
        (position,) or (position, width) float32.
    """
    step, size = hop // FRAME, length // FRAME
    taper = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1)).astype(np.float32)
    windows, means = cut(pieces, length, hop), []
    blend = np.zeros((0, 2), np.float32)  # sums, and weights in the last column
    while batch := list(islice(windows, BATCH)):
        samples = torch.from_numpy(np.stack([window.samples for window in batch]))
        outputs = score(samples).float().numpy()
        for window, output in zip(batch, outputs, strict=True):
            rows = np.column_stack([output, np.ones(size, np.float32)]) * taper[:, None]
            rows = rows[: -(-window.length // FRAME)]
            if len(blend):
                means.append(blend[:step, :-1] / blend[:step, -1:])
                rows[: len(blend[step:])] += blend[step:]
            blend = rows
    values = np.concatenate([*means, blend[:, :-1] / blend[:, -1:]])
    return values if outputs.ndim == 3 else values[:, 0]
