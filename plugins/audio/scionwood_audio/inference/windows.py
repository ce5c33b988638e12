"""Windows on an absolute grid, so that a stream and a file give the same samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, final

import numpy as np


class Window(NamedTuple):
    """A window of a recording.

    Attributes:
        start: its first sample in the recording.
        samples: (time,) float32; zeros after the end of the recording.
        length: how many of them are of the recording.
    """

    start: int
    samples: np.ndarray
    length: int


@final
class Windows:
    """Cuts samples that arrive in pieces into windows that begin at multiples of a hop.

    Args:
        length: samples of a window.
        hop: samples between the beginnings of two windows, at most `length`.

    Example:
        >>> import numpy as np
        >>> from scionwood_audio.inference.windows import Windows
        >>> cutter = Windows(length=4, hop=2)
        >>> [w.start for w in cutter.feed(np.zeros(9, "float32"))]
        [0, 2, 4]
        >>> [(w.start, w.length) for w in cutter.close()]
        [(6, 3)]
    """

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
    """Yield the windows of a recording; see `Windows`.

    Args:
        pieces: the samples, in pieces of any length.
        length: samples of a window.
        hop: samples between the beginnings of two windows.
    """
    cutter = Windows(length, hop)
    for piece in pieces:
        yield from cutter.feed(piece)
    yield from cutter.close()
