"""Cut long recordings into windows along time that share samples."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST = 1 << 22  # values in a window
SHORTEST = 1024  # samples of a window, whatever the number of traces
SHARED = 8  # windows share one part in so many


@dataclass(frozen=True)
class Window:
    """A range of the samples of one recording.

    Attributes:
        slab: the index of the recording in its file.
        number: the index of the window in the recording.
        first: its first sample.
        last: the sample behind its last one.
        kept: the sample behind the last one that no later window reads.
    """

    slab: int
    number: int
    first: int
    last: int
    kept: int


def cut(slab: int, traces: int, samples: int, window: int | None = None) -> list[Window]:
    """Return the windows of a recording.

    Consecutive windows share an eighth of their samples, over which results are blended.

    Args:
        slab: the index of the recording in its file.
        traces: number of traces.
        samples: number of samples.
        window: samples of a window; by default those of 4 Mi values, and at least 1,024.
    """
    length = max(SHORTEST, LARGEST // max(1, traces)) if window is None else max(SHARED, window)
    if samples <= length:
        return [Window(slab, 0, 0, samples, samples)]
    step = length - length // SHARED
    starts = range(0, samples - length // SHARED, step)
    return [
        Window(
            slab,
            number,
            first,
            min(first + length, samples),
            samples if number + 1 == len(starts) else first + step,
        )
        for number, first in enumerate(starts)
    ]
