"""Which level finds examples that it has not learnt from, and from which score on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from scionwood_audio.data.call_scenes import FOLDS, Parts, Place, Scene, compose
from scionwood_audio.evaluation.trials import average_precision
from scionwood_audio.inference.events import Shape, levelled, threshold_in_place
from scionwood_audio.inference.progress import progress
from scionwood_audio.inference.windows import score_pieces
from scionwood_audio.model.heads import fit_head, set_head
from scionwood_audio.model.mel import FRAME
from scionwood_audio.model.template import Templates
from scionwood_audio.model.whisper import Whisper
from scionwood_audio.verbs.options import FindOptions

SECONDS = 60.0
"""Seconds of the scene of a fold."""

VARY = 0.1
"""Change of the pitch of a placed example: another animal of the kind sings a little higher."""

Scorer = Callable[[Iterable[np.ndarray]], np.ndarray]
"""Returns the score of each position of a recording that comes in pieces."""


class Result(NamedTuple):
    """What a level reaches on held-out examples.

    Attributes:
        level: `template`, `layer 0` to `layer 4`, or `adapter`.
        ap: average precision of positions in composed scenes, 0 to 1.
        places: average precision of each example where it was marked, against the two seconds on
            both sides of it, 0 to 1; none if the examples are clips that silence surrounds.
        threshold: the least levelled score of a call.
        typical: the median levelled score where a call is.
    """

    level: str
    ap: float
    places: tuple[float, ...]
    threshold: float
    typical: float

    @property
    def rank(self) -> float:
        """The mean of both average precisions, or the one that is there."""
        return (self.ap + float(np.mean(self.places))) / 2 if self.places else self.ap


def scenes_of(parts: Parts, seed: int) -> list[Scene]:
    """Return a scene for each fold of the parts, made of this fold only."""
    rng, folds = np.random.default_rng(seed), min(FOLDS, len(parts.calls))
    return [compose(parts.fold([n], folds), SECONDS, rng, vary=VARY) for n in range(folds)]


def summary(
    level: str,
    scored: Sequence[tuple[np.ndarray, Scene]],
    placed: Sequence[tuple[np.ndarray, Place]],
    shape: Shape,
) -> Result:
    """Return what a level reaches, from scores that did not learn from what they score."""
    ap = float(np.mean([_precision(scores, scene.target) for scores, scene in scored]))
    places = tuple(_precision(scores, place.target) for scores, place in placed)
    return Result(level, ap, places, *thresholds(placed or scored, shape))


def thresholds(
    scored: Sequence[tuple[np.ndarray, Scene | Place]], shape: Shape
) -> tuple[float, float]:
    """Return the threshold of scores of marked calls, and the score of a typical one."""
    return threshold_in_place([levelled(s, shape)[p.target > 0.5] for s, p in scored])


def _precision(scores: np.ndarray, target: np.ndarray) -> float:
    is_known = target >= 0
    pair = torch.from_numpy(scores[is_known]), torch.from_numpy(target[is_known])
    return float(average_precision(*pair))


def gains(result: Result, rival: Result) -> tuple[float, float]:
    """Return the lead in place over a rival, the mean over the examples, and its standard error.

    Only the places tell: in composed scenes of songs of one morning an adapter led in every trial,
    also where it gained nothing on another morning.
    """
    leads = np.subtract(result.places, rival.places)
    return float(leads.mean()), float(leads.std(ddof=1) / len(leads) ** 0.5)


def scorer_of(network: Any, options: FindOptions) -> Scorer:
    """Return the scorer of templates, or of a network with one output."""
    device, length = options.device, network.samples
    hop = getattr(network, "hop", hop_of(length, options.overlap))
    network = network.eval().to(device)

    def score(samples: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = network(samples.to(device))
        return outputs.reshape(len(outputs), -1).cpu()

    return lambda pieces: score_pieces(pieces, score, length, hop)


def hop_of(length: int, overlap: int) -> int:
    """Return the samples between two windows: a whole number of positions."""
    return max(1, length // FRAME // overlap) * FRAME


def layer_features(network: Any, samples: np.ndarray, hop: int) -> list[np.ndarray]:
    """Return the features of a sound for each layer, (position, width) float16."""
    device = next(network.parameters()).device

    def hidden(windows: torch.Tensor) -> torch.Tensor:
        return torch.cat(network.hidden(windows.to(device)), -1).cpu()

    features = score_pieces([samples], hidden, network.samples, hop)
    return np.split(features.astype(np.float16), features.shape[1] // network.width, 1)


def fit_scenes(features: Sequence[np.ndarray], scenes: Sequence[Scene]) -> tuple[np.ndarray, float]:
    """Fit a head to the features of every second position of scenes."""
    target = np.concatenate([scene.target[::2] for scene in scenes])
    return fit_head(np.concatenate(features), target)


class Levels:
    """The template and the frozen layers, tried on examples that each one has not seen.

    Attributes:
        scenes: a scene for each fold of the examples.
        features: of every second position of each scene, by layer: neighbours are almost equal.
        results: what each level reaches.
        best: the level that finds the held-out examples best.
    """

    def __init__(self, parts: Parts, shape: Shape, options: FindOptions) -> None:
        self.parts, self.options, self.shape = parts, options, shape
        network = Whisper(weights=options.weights, window=options.window or 3.0)
        self.network: Any = network.to(options.device)
        self.scenes = scenes_of(parts, options.seed)
        self.folds = range(len(self.scenes))
        hop = hop_of(self.network.samples, options.overlap)
        layers = range(len(self.network.encoder.layers) + 1)
        self.results = [self._template()]
        self.features, places = [], []
        with progress("held-out examples", len(self.scenes) + len(parts.places)) as advance:
            for scene in self.scenes:
                self.features.append(self._halved(scene))
                advance(1)
            for place in parts.places:
                places.append(layer_features(self.network, place.samples, hop))
                advance(1)
        for layer in layers:
            self.results.append(self._layer(layer, [place[layer] for place in places]))
        self.best = max(self.results, key=lambda result: result.rank)

    def _halved(self, scene: Scene) -> list[np.ndarray]:
        length = 4 * self.network.samples  # the features of all layers of a minute take 50 MB
        pieces = [
            layer_features(self.network, scene.samples[start : start + length], length // 4)
            for start in range(0, len(scene.samples), length)
        ]
        return [np.concatenate(layer)[::2] for layer in zip(*pieces, strict=True)]

    def _template(self) -> Result:
        all_folds = {*self.folds}
        others = [self.parts.fold(all_folds - {n}, len(all_folds)).calls for n in self.folds]
        scorers = [scorer_of(Templates(calls), self.options) for calls in others]
        scored = [(scorers[n]([scene.samples]), scene) for n, scene in enumerate(self.scenes)]
        placed = [
            (scorers[n % len(scorers)]([place.samples]), place)
            for n, place in enumerate(self.parts.places)
        ]
        return summary("template", scored, placed, self.shape)

    def _layer(self, layer: int, places: Sequence[np.ndarray]) -> Result:
        heads = [self.head(layer, without) for without in self.folds]
        scored, placed = [], []
        for features, scene, (weight, bias) in zip(self.features, self.scenes, heads, strict=True):
            scores = np.repeat(features[layer] @ weight + bias, 2)[: len(scene.target)]
            scored.append((scores, scene))
        for number, (states, place) in enumerate(zip(places, self.parts.places, strict=True)):
            weight, bias = heads[number % len(heads)]
            placed.append((states @ weight + bias, place))
        return summary(f"layer {layer}", scored, placed, self.shape)

    def head(self, layer: int, without: int | None = None) -> tuple[np.ndarray, float]:
        """Return weight and bias of a head on a layer, fitted to all scenes but one."""
        at = [n for n in self.folds if n != without]
        return fit_scenes([self.features[n][layer] for n in at], [self.scenes[n] for n in at])

    def scorer(self, result: Result) -> Scorer:
        """Return the scorer of a level, fitted to all examples; it takes the network over."""
        if result.level == "template":
            return scorer_of(Templates(self.parts.calls), self.options)
        layer = int(result.level.removeprefix("layer "))
        self.network.cut(layer)
        self.network.classifier = torch.nn.Linear(self.network.width, 1)
        set_head(self.network, *self.head(layer))
        return scorer_of(self.network, self.options)
