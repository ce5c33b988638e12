"""Which level finds examples that it has not learnt from, and from which score on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from scionwood_audio.data.call_scenes import Parts, Scene, compose
from scionwood_audio.evaluation.frames import average_precision
from scionwood_audio.inference.events import Shape, calibrate, levelled
from scionwood_audio.inference.progress import Advance
from scionwood_audio.inference.scoring import score_pieces
from scionwood_audio.model.frame_head import fit_head
from scionwood_audio.model.mel import FRAME, RATE
from scionwood_audio.model.template import Templates

FOLDS = 5
"""Folds of the examples: five examples are held out one at a time."""

SECONDS = 60.0
"""Seconds of the scene of a fold."""

VARY = 0.1
"""Change of the pitch of a placed example: another animal of the kind sings a little higher."""

BLOCK = 12 * RATE
"""Samples that templates hear at once."""


class Result(NamedTuple):
    """What a level reaches on held-out examples.

    Attributes:
        level: `template`, `layer 0` to `layer 4`, or `adapter`.
        ap: average precision of positions, 0 to 1.
        f1: F1 of events at the threshold, 0 to 1.
        threshold: the least levelled score of a call.
        typical: the median levelled score where a call is.
    """

    level: str
    ap: float
    f1: float
    threshold: float
    typical: float


def scenes_of(parts: Parts, folds: int, rng: np.random.Generator) -> list[Scene]:
    """Return a scene for each fold of the parts, made of this fold only."""
    return [compose(parts.fold(number, folds), SECONDS, rng, vary=VARY) for number in range(folds)]


def summary(
    level: str, scores: Sequence[np.ndarray], scenes: Sequence[Scene], shape: Shape
) -> Result:
    """Return what scores of held-out scenes reach."""
    aps = [
        float(average_precision(torch.from_numpy(score), torch.from_numpy(scene.frames)))
        for score, scene in zip(scores, scenes, strict=True)
    ]
    scored = [(levelled(s, shape), e.events) for s, e in zip(scores, scenes, strict=True)]
    threshold, f1 = calibrate(scored, shape)
    inside = [v[e.frames > 0.5] for (v, _), e in zip(scored, scenes, strict=True)]
    typical = float(np.median(np.concatenate(inside)))
    return Result(level, float(np.mean(aps)), f1, threshold, typical)


def template_scores(parts: Parts, scenes: Sequence[Scene]) -> list[np.ndarray]:
    """Return the scores of each scene by the templates of the other folds."""
    folds = len(scenes)
    return [
        score_template(Templates(parts.fold(n, folds, without=True).calls), [scene.samples])
        for n, scene in enumerate(scenes)
    ]


def score_template(templates: Templates, pieces: Any) -> np.ndarray:
    """Return the scores of a recording by templates."""

    def score(samples: torch.Tensor) -> torch.Tensor:
        return torch.stack([templates(row) for row in samples])

    longest = max(t.shape[1] for t in templates.templates) * FRAME // 2
    hop = max(FRAME, (BLOCK - longest) // FRAME * FRAME)
    return score_pieces(pieces, score, BLOCK, hop)


def layer_features(
    network: Any, scenes: Sequence[Scene], hop: int, advance: Advance
) -> list[list[np.ndarray]]:
    """Return the features of each scene, and of each layer in it, (position, width) float32."""
    device = next(network.parameters()).device

    def hidden(samples: torch.Tensor) -> torch.Tensor:
        return torch.cat(network.hidden(samples.to(device)), -1).cpu()

    by_scene = []
    for scene in scenes:
        features = score_pieces([scene.samples], hidden, network.samples, hop)
        features = features.astype(np.float16)  # half of the memory, for all layers of a minute
        by_scene.append(np.split(features, features.shape[1] // network.width, 1))
        advance(1)
    return by_scene


def layer_scores(
    features: Sequence[np.ndarray], scenes: Sequence[Scene], advance: Advance
) -> list[np.ndarray]:
    """Return the scores of each scene by a head that is fitted to the other scenes."""
    scores = []
    for number in range(len(scenes)):
        others = [at for at in range(len(scenes)) if at != number]
        weight, bias = fit_scenes([features[at] for at in others], [scenes[at] for at in others])
        scores.append(features[number] @ weight + bias)
        advance(1)
    return scores


def fit_scenes(features: Sequence[np.ndarray], scenes: Sequence[Scene]) -> tuple[np.ndarray, float]:
    """Fit a head to scenes; every second position, since neighbours are almost equal."""
    target = np.concatenate([scene.frames for scene in scenes])
    return fit_head(np.concatenate(features)[::2], target[::2])
