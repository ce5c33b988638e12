"""Find the calls of a recording that are like marked ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from scionwood_audio.data.call_scenes import Parts
from scionwood_audio.data.parts import read_parts
from scionwood_audio.inference.events import POSITIONS, Shape, events_of, levelled
from scionwood_audio.inference.held_out import (
    FOLDS,
    Result,
    fit_scenes,
    layer_features,
    layer_scores,
    scenes_of,
    score_template,
    summary,
    template_scores,
)
from scionwood_audio.inference.progress import progress
from scionwood_audio.inference.scoring import score_pieces
from scionwood_audio.inference.sounds import Channel, read_blocks, seconds_of
from scionwood_audio.model.mel import FRAME, RATE
from scionwood_audio.model.template import Templates
from scionwood_audio.model.whisper import Whisper
from scionwood_audio.readers.selections import Selection, read_selections
from scionwood_audio.verbs.options import FindOptions

Scorer = Callable[[Iterator[np.ndarray]], np.ndarray]
"""Returns the score of each position of a recording that comes in pieces."""


class Finding(NamedTuple):
    """What was found.

    Attributes:
        selections: the found calls, in the order of time.
        results: what each level that was tried reaches on held-out examples.
        chosen: the level that was used.
        run: the folder of the adapter that was used, or None.
    """

    selections: list[Selection]
    results: list[Result]
    chosen: Result
    run: Path | None


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

    Returns:
        Selections in seconds of the recording, with a score from 0 to 1.

    Raises:
        RecipeError: there are fewer than two examples.
        ReadError: a file is damaged, or an example lies outside of its recording.
        RateError: an example is above the band that is heard; the error names `expand`.
        WindowMismatchError: the run was trained with another window than `options.window`.
        WeightsError: the package with the weights is not installed.

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
        channel=channel_of(options),
        expand=options.expand,
        seed=options.seed,
    )
    shape = Shape.of([len(call) / RATE for call in parts.calls])
    run = None
    if options.run is not None:
        from scionwood_audio.inference.adapting import applied

        results, shape, score = applied(options, parts, shape)
    else:
        levels = Levels(parts, shape, options)
        results, score = levels.results, levels.scorer(levels.best)
        if options.adapt:
            from scionwood_audio.inference.adapting import adapted

            result, trained = adapted(recording, examples, options, levels)
            results = [*results, result]
            if trained is not None:
                run, score = trained
        del levels  # the features of its scenes take more memory than a day of scores
    chosen = (
        results[-1]
        if run or options.run
        else max((r for r in results if r.level != "adapter"), key=lambda r: r.ap)
    )
    scores = searched(recording, score, options)
    return Finding(selected(scores, chosen, shape, marked, options), results, chosen, run)


class Levels:
    """The template and the frozen layers, tried on examples that each one has not seen.

    Args:
        parts: the examples and what they are placed among.
        shape: how events look.
        options: the weights, the window and the overlap.

    Attributes:
        scenes: a scene for each fold of the examples.
        scores: by level, the scores of each scene without its examples.
        results: what each level reaches.
        best: the level with the highest average precision.
    """

    def __init__(self, parts: Parts, shape: Shape, options: FindOptions) -> None:
        self.parts, self.options, self.shape = parts, options, shape
        self.window = options.window or 3.0
        self.network = Whisper(weights=options.weights, window=self.window).to(options.device)
        folds = min(FOLDS, len(parts.calls))
        self.scenes = scenes_of(parts, folds, np.random.default_rng(options.seed))
        layers = len(self.network.encoder.layers) + 1
        with progress("held-out examples", 1 + folds * (1 + layers)) as advance:
            self.scores = {"template": template_scores(parts, self.scenes)}
            advance(1)
            hop = hop_of(self.network.samples, options.overlap)
            self.features = layer_features(self.network, self.scenes, hop, advance)
            for layer in range(layers):
                features = [scene[layer] for scene in self.features]
                self.scores[f"layer {layer}"] = layer_scores(features, self.scenes, advance)
        self.results = [
            summary(name, scores, self.scenes, shape) for name, scores in self.scores.items()
        ]
        self.best = max(self.results, key=lambda result: result.ap)

    def scorer(self, result: Result) -> Scorer:
        """Return the scorer of a level, fitted to all examples."""
        if result.level == "template":
            templates = Templates(self.parts.calls)
            return lambda pieces: score_template(templates, pieces)
        layer = int(result.level.removeprefix("layer "))
        network = Whisper(
            weights=self.options.weights, window=self.window, read_layer=layer, outputs=1
        )
        weight, bias = fit_scenes([scene[layer] for scene in self.features], self.scenes)
        head: Any = network.classifier
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(weight)[None])
            head.bias.fill_(bias)
        return network_scorer(network, self.options)


def network_scorer(network: Any, options: FindOptions) -> Scorer:
    """Return the scorer of a network with one output."""
    device = options.device
    network = network.eval().to(device)
    length: int = network.samples
    hop = hop_of(length, options.overlap)

    def score(samples: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = network(samples.to(device))
        return outputs.squeeze(-1).cpu()

    return lambda pieces: score_pieces(pieces, score, length, hop)


def hop_of(length: int, overlap: int) -> int:
    """Return the samples between two windows: a whole number of positions."""
    return max(1, length // FRAME // overlap) * FRAME


def channel_of(options: FindOptions) -> Channel:
    """Return the channel as `read_blocks` takes it."""
    if options.channel == "mean":
        return "mean"
    return "loudest" if options.channel == "loudest" else int(options.channel)


def marked_calls(examples: str | Path | Sequence[Selection], label: str | None) -> list[Selection]:
    """Return the examples, those with a label only if one is given."""
    if isinstance(examples, str | Path):
        examples = read_selections(examples)
    return [call for call in examples if label is None or call.label == label]


def searched(recording: str | Path, score: Scorer, options: FindOptions) -> np.ndarray:
    """Return the score of each position of a recording; a block of it is in memory."""
    total = seconds_of(recording) * options.expand

    def pieces() -> Iterator[np.ndarray]:
        with progress(f"searching {total / 3600:.2f} h", total) as advance:
            blocks = read_blocks(recording, channel=channel_of(options), expand=options.expand)
            for block in blocks:
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

    A score is 0.5 at the threshold, and 0.88 where held-out calls have half of their positions.
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
