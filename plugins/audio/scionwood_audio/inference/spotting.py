"""Words in recordings: scores of windows on a grid, equal for a stream and for a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from scionwood import RecipeError, Run, find_run, load_run
from scionwood_audio.errors import RateError, WindowMismatchError
from scionwood_audio.inference.enrolment import LAYER, Takes, frozen, read_enrolment, warp
from scionwood_audio.inference.sounds import LOWEST
from scionwood_audio.inference.windows import Window, Windows
from scionwood_audio.model.mel import FRAME, RATE
from scionwood_audio.model.spelling import codes, latin
from scionwood_audio.model.whisper import Whisper
from scionwood_audio.readers.selections import Selection
from scionwood_audio.tasks.keyword import Keyword, zero_shot

HOP = 1.0
"""Seconds between two windows: a word of up to two seconds lies whole in one of three seconds."""


@final
class Spotter:
    """Scores windows for words, by a run, by the network without training, or by enrolled clips.

    Args:
        words: what is looked for, as it is written.
        run: a run of `audio/keyword`; `None` means the decoder's likelihood without training.
        window: seconds of the window that is asked for; `None` means that of the run, or 3.
        enrolled: a file of `scionwood audio enrol`, in place of a run.
        weights: the weights without a run, as for `audio/whisper_text`.

    Raises:
        WindowMismatchError: the run has another window.
        RecipeError: there is no word, one is not enrolled, a clip is longer than the window, or the
            run is of another task.

    Example:
        >>> from scionwood_audio import Spotter
        >>> Spotter(["una rana"], weights="random", window=1.0).texts
        ['una rana']
    """

    def __init__(
        self,
        words: Sequence[str],
        run: str | Path | None = None,
        *,
        window: float | None = None,
        enrolled: Path | None = None,
        weights: str = "package",
    ) -> None:
        if not words:
            raise RecipeError("words", "there is none", "Write one text in each line")
        self.words = list(words)
        self.texts = [latin(word) for word in words]
        self._takes: Takes = []
        if enrolled is not None:
            self.window = window or 3.0
            self.tower = Whisper(weights=weights, window=self.window, read_layer=LAYER).eval()
            self.samples = self.tower.samples
            self._enrol(enrolled)
            return
        self.task = _task(run, window, weights)
        self.window, self.samples = self.task.network.window, self.task.network.samples
        self._letters = codes(self.texts)
        with torch.no_grad():  # the same for all windows
            self._offset = self.task.scorer.offset(self.task.network, self._letters)

    def score(self, window: Window) -> list[float]:
        """Return the score of each word in a window.

        A window is computed alone, so that no other one changes its score.
        """
        if self._takes:
            heard = frozen(self.tower, window.samples[: window.length])
            near = [(word, warp(take, heard)) for word, take in self._takes]
            return [-min(far for word, far in near if word == text) for text in self.texts]
        frames = torch.tensor([-(-window.length // FRAME)])
        hidden = self.task.features(torch.from_numpy(window.samples)[None])
        letters = self._letters[None]
        with torch.no_grad():
            values = self.task.scorer.values(self.task.network, hidden, frames, letters)[0]
        return list(map(float, values - self._offset))

    def _enrol(self, path: Path) -> None:
        takes = [(latin(word), sound) for word, sound in read_enrolment(path)]
        enrolled = {word for word, _ in takes}
        for word, text in zip(self.words, self.texts, strict=True):
            if text not in enrolled:
                rule = f"it is not enrolled; enrolled are {', '.join(sorted(enrolled))}"
                raise RecipeError(f"word {word!r}", rule, "Enrol a clip of it, or leave it out")
        for word, sound in takes:
            if len(sound) > self.samples:
                rule = f"it lasts {len(sound) / RATE:.1f} s, and the window {self.window:g} s"
                raise RecipeError(f"clip of {word!r}", rule, "Cut the word out, or set --window")
        self._takes = [(word, frozen(self.tower, sound)) for word, sound in takes]


@final
class Stream:
    """Looks for words in samples that arrive in pieces; the scores are those of the whole file.

    Args:
        run: as for `Spotter`.
        words: what is looked for, or a `Spotter`, which several streams may share.
        rate: samples a second of the pieces.
        hop: seconds between the beginnings of two windows.

    Raises:
        RateError: the rate is below 8 kHz.
        RecipeError: the hop is no multiple of a sample, or longer than the window.

    Example:
        >>> from scionwood_audio.inference.spotting import Spotter, Stream
        >>> import numpy as np
        >>> stream = Stream(None, Spotter(["rana"], weights="random", window=1.0), rate=8000)
        >>> len(stream.feed(np.zeros(12000, "float32"))), len(stream.close())
        (1, 1)
    """

    def __init__(
        self,
        run: str | Path | None,
        words: Sequence[str] | Spotter,
        *,
        rate: float = RATE,
        hop: float = HOP,
    ) -> None:
        import soxr

        if not rate >= LOWEST:
            rule = f"it is below {LOWEST:,} samples a second"
            raise RateError(f"rate {rate:g}", rule, "Give the rate of the samples in Hz")
        self.spotter = words if isinstance(words, Spotter) else Spotter(words, run)
        step = round(hop * RATE)
        if not 0 < step <= self.spotter.samples:
            rule = f"it lies above 0 and at most at the window, {self.spotter.window:g} s"
            raise RecipeError(f"hop {hop:g}", rule, "Set it to a third of the window")
        self._resampled = soxr.ResampleStream(rate, RATE, 1, dtype="float32")
        self._windows = Windows(self.spotter.samples, step)

    def feed(self, samples: np.ndarray) -> list[Selection]:
        """Return the words in the windows that these samples complete, (time,) float32."""
        heard = self._resampled.resample_chunk(np.asarray(samples, np.float32))
        return self._spots(self._windows.feed(heard))

    def close(self) -> list[Selection]:
        """Return the words in what is left."""
        heard = self._resampled.resample_chunk(np.zeros(0, np.float32), last=True)
        return self._spots([*self._windows.feed(heard), *self._windows.close()])

    def _spots(self, windows: Iterable[Window]) -> list[Selection]:
        return [
            Selection(w.start / RATE, (w.start + w.length) / RATE, word, score=score)
            for w in windows
            for word, score in zip(self.spotter.words, self.spotter.score(w), strict=True)
        ]


def peaks(spots: Iterable[Selection], threshold: float) -> list[Selection]:
    """Return the spots that reach a threshold, the best of those of one word that overlap."""
    chosen: list[Selection] = []
    for spot in sorted(spots, key=lambda spot: -(spot.score or 0)):
        others = [c for c in chosen if c.label == spot.label]
        apart = all(spot.start >= c.end or spot.end <= c.start for c in others)
        if (spot.score or 0) >= threshold and apart:
            chosen.append(spot)
    return sorted(chosen, key=lambda spot: (spot.start, spot.label))


def recorded(run: str | Path) -> dict[str, float]:
    """Return what the last validation of a run measured: `hard`, `zero_shot` and others."""
    table: Any = Run(find_run(run)).metrics
    rows = table.to_dict("records") if hasattr(table, "to_dict") else table
    return {
        name.removeprefix("val_"): float(value)
        for row in rows
        for name, value in row.items()
        if name.startswith("val_") and value == value  # a table of pandas has NaN in gaps
    }


def _task(run: str | Path | None, window: float | None, weights: str) -> Keyword:
    if run is None:
        return zero_shot(weights, window or 3.0)
    task = load_run(run)
    if not isinstance(task, Keyword):
        rule = f"it is a run of {type(task).__name__}, and words need one of audio/keyword"
        raise RecipeError(f"run {run}", rule, "scionwood fit audio/words_new_language --run RUN")
    if window is not None and window != task.network.window:
        rule = f"it was trained with a window of {task.network.window:g} s, not {window:g} s"
        raise WindowMismatchError(f"run {run}", rule, "Leave --window out, or train with it")
    return task
