"""Find the calls of a recording that are like marked ones."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scionwood_audio.data.parts import marked_calls, read_parts
from scionwood_audio.inference.events import POSITIONS, Shape, events_of, levelled
from scionwood_audio.inference.held_out import Levels, Result, Scorer
from scionwood_audio.inference.progress import progress
from scionwood_audio.inference.sounds import read_blocks, seconds_of
from scionwood_audio.model.mel import RATE
from scionwood_audio.readers.selections import Selection
from scionwood_audio.verbs.options import FindOptions

COLUMNS = ("level", "composed, %", "in place, %", "")
"""Heads of the table of levels."""

RELIABLE = 0.75
"""Average precision in place from which on calls are found without a warning.

On the made recording of the handbook it is 0.99 and 0.92 where nearly all that is found is right,
and 0.46 where half of it is wrong.
"""

HELD_OUT = "Average precision on held-out examples, in composed scenes and where they were marked:"


class Finding(NamedTuple):
    """The found calls in the order of time, and the levels that were tried.

    `run` is the folder of the adapter that was used, or None; `verdict` says what it gained.
    """

    selections: list[Selection]
    results: list[Result]
    chosen: Result
    run: Path | None
    verdict: str = ""


def find(
    recording: str | Path,
    examples: str | Path | Sequence[Selection],
    options: FindOptions = FindOptions(),
) -> list[Selection]:
    """Return the calls of a recording that are like marked ones, the marked ones included.

    Args:
        recording: the file that is searched, of any length: it is read in blocks.
        examples: two or more marked calls, or a file of them.
        options: how they are found.

    Units: selections are in seconds of the recording, their scores from 0 to 1.

    Raises:
        RecipeError: there are fewer than two examples.
        ReadError: a file is damaged, or an example lies outside of its recording.
        RateError: an example is above the band that is heard; the error names `expand`.
        WindowMismatchError: the run was trained with another window than `options.window`.
        WeightsError: the package with the weights is not installed.

    Warns:
        UserWarning: the marked calls can hardly be told from what is beside them.

    Example:
        >>> import numpy, soundfile
        >>> from scionwood_audio.readers.selections import Selection
        >>> day = 0.01 * numpy.random.default_rng(0).standard_normal(160_000)
        >>> for start in (16_000, 60_000, 120_000):
        ...     day[start : start + 8000] += 0.3 * numpy.sin(1.2 * numpy.arange(8000))
        >>> soundfile.write("day.wav", day, 16_000)
        >>> marked = [Selection(1.0, 1.5, "tone"), Selection(3.75, 4.25, "tone")]
        >>> len(find("day.wav", marked, FindOptions(weights="random", overlap=1)))
        3
    """
    return search(recording, examples, options).selections


def search(
    recording: str | Path, examples: str | Path | Sequence[Selection], options: FindOptions
) -> Finding:
    """Find calls as `find` does, and return the levels that were tried beside them."""
    marked = marked_calls(examples, options.label)
    parts = read_parts(
        options.source or recording,
        marked,
        backgrounds=options.backgrounds or (),
        others=options.others or (),
        assume_complete=options.assume_complete,
        channel=options.channel,
        expand=options.expand,
        seed=options.seed,
    )
    shape, run, verdict = Shape.of([len(call) / RATE for call in parts.calls]), None, ""
    if options.run is not None:
        from scionwood_audio.inference.adapting import applied

        chosen, shape, score = applied(options, parts, shape)
        results = [chosen]
    else:
        levels = Levels(parts, shape, options)
        results, chosen, score = levels.results, levels.best, levels.scorer(levels.best)
        if options.adapt:
            from scionwood_audio.inference.adapting import adapted, run_scorer

            result, run, verdict = adapted(recording, examples, options, levels)
            results = [*results, result]
            if run is not None:
                chosen, score = result, run_scorer(run, options)
        del levels  # the features of its scenes take more memory than a day of scores
    if chosen.places and (mean := float(np.mean(chosen.places))) < RELIABLE:
        warnings.warn(
            f"{chosen.level} hardly tells the marked calls from what is beside them: its average "
            f"precision there is {100 * mean:.0f} %, below {100 * RELIABLE:.0f}. Much of what is "
            "found may be wrong: listen to it, or mark louder calls",
            stacklevel=3,
        )
    scores = searched(recording, score, options)
    calls = selected(scores, chosen, shape, marked, options)
    return Finding(calls, results, chosen, run, verdict)


def level_rows(finding: Finding) -> list[tuple[str, str, str, str]]:
    """Return what each level reached, as rows of a table with the heads `COLUMNS`."""
    return [
        (
            result.level,
            f"{100 * result.ap:.1f}",
            f"{100 * float(np.mean(result.places)):.1f}" if result.places else "-",
            "used" if result is finding.chosen else "",
        )
        for result in finding.results
    ]


def searched(recording: str | Path, score: Scorer, options: FindOptions) -> np.ndarray:
    """Return the score of each position of a recording; a block of it is in memory."""
    total = seconds_of(recording) * options.expand

    def pieces() -> Iterator[np.ndarray]:
        with progress(f"searching {total / 3600:.2f} h", total) as advance:
            for block in read_blocks(recording, channel=options.channel, expand=options.expand):
                yield block
                advance(len(block) / RATE)

    return score(pieces())


def selected(
    scores: np.ndarray,
    result: Result,
    shape: Shape,
    marked: Sequence[Selection],
    options: FindOptions,
) -> list[Selection]:
    """Return the events of scores as selections, in seconds of the recording.

    A score is 0.5 at the threshold, and 0.88 at that of a typical held-out call.
    """
    values = levelled(scores, shape)
    scale = max(result.typical - result.threshold, 0.1) / 2  # a level that fails has none
    threshold = result.threshold + scale * float(
        np.log(options.confidence / (1 - options.confidence))
    )
    lows = [call.low for call in marked if call.low is not None]
    highs = [call.high for call in marked if call.high is not None]
    box = (float(min(lows)), float(max(highs))) if lows and highs else (None, None)
    label = marked[0].label if len({call.label for call in marked}) == 1 else ""
    unit = POSITIONS * options.expand
    calls = []
    for start, end in events_of(values, threshold, shape):
        sure = (1 + np.tanh((values[start:end].mean() - result.threshold) / scale / 2)) / 2
        score = float(np.clip(sure, options.confidence, 1.0))
        span = start / unit, end / unit
        calls.append(Selection(*span, label, box[0], box[1], round(score, 4)))
    return calls
