"""Which level finds examples that it has not learnt from, and from which score on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from scionwood_audio.data.call_scenes import FOLDS, Parts, Place, Scene, compose
from scionwood_audio.evaluation.trials import average_precision
from scionwood_audio.inference.events import Shape, calibrate, levelled, threshold_in_place
from scionwood_audio.inference.progress import progress
from scionwood_audio.inference.windows import score_pieces
from scionwood_audio.model.heads import fit_head
from scionwood_audio.model.mel import FRAME, RATE
from scionwood_audio.model.template import Templates
from scionwood_audio.model.whisper import Whisper
from scionwood_audio.verbs.options import FindOptions

SECONDS = 60.0
"""Seconds of the scene of a fold."""

VARY = 0.1
"""Change of the pitch of a placed example: another animal of the kind sings a little higher."""

BLOCK = 12 * RATE
"""Samples that templates hear at once."""

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


def scenes_of(parts: Parts, rng: np.random.Generator) -> list[Scene]:
    """Return a scene for each fold of the parts, made of this fold only."""
    folds = min(FOLDS, len(parts.calls))
    return [compose(parts.fold(number, folds), SECONDS, rng, vary=VARY) for number in range(folds)]


def summary(
    level: str,
    scored: Sequence[tuple[np.ndarray, Scene]],
    placed: Sequence[tuple[np.ndarray, Place]],
    shape: Shape,
) -> Result:
    """Return what a level reaches, from scores that did not learn from what they score."""
    ap = float(np.mean([_precision(scores, scene.frames) for scores, scene in scored]))
    places = tuple(_precision(scores, place.target) for scores, place in placed)
    if placed:
        return Result(level, ap, places, *in_place(placed, shape))
    values = [(levelled(scores, shape), scene) for scores, scene in scored]
    threshold = calibrate([(v, scene.events) for v, scene in values], shape)
    typical = np.median(np.concatenate([v[scene.frames > 0.5] for v, scene in values]))
    return Result(level, ap, places, threshold, float(typical))


def in_place(placed: Sequence[tuple[np.ndarray, Place]], shape: Shape) -> tuple[float, float]:
    """Return the threshold of scores of marked calls, and the score of a typical one."""
    return threshold_in_place([levelled(s, shape)[p.target > 0.5] for s, p in placed])


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


def score_template(templates: Templates, pieces: Iterable[np.ndarray]) -> np.ndarray:
    """Return the scores of a recording by templates."""

    def score(samples: torch.Tensor) -> torch.Tensor:
        return torch.stack([templates(row) for row in samples])

    longest = max(t.shape[1] for t in templates.templates) * FRAME // 2
    hop = max(FRAME, (BLOCK - longest) // FRAME * FRAME)
    return score_pieces(pieces, score, BLOCK, hop)


def layer_features(network: Any, samples: np.ndarray, hop: int) -> list[np.ndarray]:
    """Return the features of a sound for each layer, (position, width) float16."""
    device = next(network.parameters()).device

    def hidden(windows: torch.Tensor) -> torch.Tensor:
        return torch.cat(network.hidden(windows.to(device)), -1).cpu()

    features = score_pieces([samples], hidden, network.samples, hop)
    return np.split(features.astype(np.float16), features.shape[1] // network.width, 1)


def scene_features(network: Any, scene: Scene) -> list[np.ndarray]:
    """Return the features of every second position, by layer: neighbours are almost equal."""
    length = 4 * network.samples  # the features of all layers of a minute would take 50 MB
    pieces = [
        layer_features(network, scene.samples[start : start + length], network.samples)
        for start in range(0, len(scene.samples), length)
    ]
    return [np.concatenate(layer)[::2] for layer in zip(*pieces, strict=True)]


def fit_scenes(features: Sequence[np.ndarray], scenes: Sequence[Scene]) -> tuple[np.ndarray, float]:
    """Fit a head to the features of every second position of scenes."""
    target = np.concatenate([scene.frames[::2] for scene in scenes])
    return fit_head(np.concatenate(features), target)


class Levels:
    """The template and the frozen layers, tried on examples that each one has not seen.

    Attributes:
        scenes: a scene for each fold of the examples.
        features: of each scene, by layer.
        results: what each level reaches.
        best: the level that finds the held-out examples best.
    """

    def __init__(self, parts: Parts, shape: Shape, options: FindOptions) -> None:
        self.parts, self.options, self.shape = parts, options, shape
        self.window = options.window or 3.0
        network = Whisper(weights=options.weights, window=self.window).to(options.device)
        self.network = network
        self.scenes = scenes_of(parts, np.random.default_rng(options.seed))
        hop = hop_of(network.samples, options.overlap)
        layers = range(len(network.encoder.layers) + 1)
        self.results = [self._template()]
        steps = len(self.scenes) + len(parts.places) + len(layers)
        with progress("held-out examples", steps) as advance:
            self.features = []
            for scene in self.scenes:
                self.features.append(scene_features(network, scene))
                advance(1)
            places = []
            for place in parts.places:
                places.append(layer_features(network, place.samples, hop))
                advance(1)
            for layer in layers:
                self.results.append(self._layer(layer, [place[layer] for place in places]))
                advance(1)
        self.best = max(self.results, key=lambda result: result.rank)

    def _template(self) -> Result:
        folds = range(len(self.scenes))
        others = [Templates(self.parts.fold(n, len(folds), without=True).calls) for n in folds]
        scored = [(score_template(others[n], [s.samples]), s) for n, s in enumerate(self.scenes)]
        placed = [
            (score_template(others[n % len(folds)], [place.samples]), place)
            for n, place in enumerate(self.parts.places)
        ]
        return summary("template", scored, placed, self.shape)

    def _layer(self, layer: int, places: Sequence[np.ndarray]) -> Result:
        heads = [self.head(layer, without) for without in range(len(self.scenes))]
        scored = [
            (np.repeat(features[layer] @ weight + bias, 2)[: len(scene.frames)], scene)
            for features, scene, (weight, bias) in zip(
                self.features, self.scenes, heads, strict=True
            )
        ]
        placed = []
        for number, (features, place) in enumerate(zip(places, self.parts.places, strict=True)):
            weight, bias = heads[number % len(heads)]
            placed.append((features @ weight + bias, place))
        return summary(f"layer {layer}", scored, placed, self.shape)

    def head(self, layer: int, without: int | None = None) -> tuple[np.ndarray, float]:
        """Return weight and bias of a head on a layer, fitted to all scenes but one."""
        at = [n for n in range(len(self.scenes)) if n != without]
        return fit_scenes([self.features[n][layer] for n in at], [self.scenes[n] for n in at])

    def scorer(self, result: Result) -> Scorer:
        """Return the scorer of a level, fitted to all examples."""
        if result.level == "template":
            templates = Templates(self.parts.calls)
            return lambda pieces: score_template(templates, pieces)
        layer = int(result.level.removeprefix("layer "))
        network = Whisper(
            weights=self.options.weights, window=self.window, read_layer=layer, outputs=1
        )
        weight, bias = self.head(layer)
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
