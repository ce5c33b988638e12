"""Which layer tells the classes of recordings apart, and whether LoRA adds to it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import RecipeError, attach
from scionwood_audio.data.recordings import Clip, heard
from scionwood_audio.inference.sounds import read_sound
from scionwood_audio.model.clip_classifier import Answer, ClipClassifier, pooled
from scionwood_audio.model.mel import LogMel
from scionwood_audio.model.whisper import Whisper

MEL = "mel statistics"
"""The simplest opponent: mean and standard deviation of each band."""

STEPS, BATCH, LR = 60, 12, 1e-3
"""Of the short fit of LoRA."""

Split = tuple[np.ndarray, np.ndarray]
"""Places of the training and of the test clips."""


@final
@dataclass(frozen=True)
class Sounds:
    """Windows of recordings in memory.

    Attributes:
        samples: (clip, time) float32 at 16 kHz.
        length: true samples of each, (clip,).
        label: (clip,) int64.
        recording: what each was cut from.
        classes: the names.
    """

    samples: Tensor
    length: Tensor
    label: Tensor
    recording: list[str]
    classes: list[str]

    @classmethod
    def of(cls, clips: Sequence[Clip], length: int) -> Sounds:
        """Read clips into windows of `length` samples."""
        classes = sorted({clip.label for clip in clips})
        windows, lengths = zip(*(heard(read_sound(c.path), length) for c in clips), strict=True)
        label = torch.tensor([classes.index(clip.label) for clip in clips])
        recordings = [clip.recording for clip in clips]
        return cls(torch.stack(windows), torch.stack(lengths), label, recordings, classes)


@final
class Scores(NamedTuple):
    """Balanced accuracies of one way over the splits, 0 to 1."""

    name: str
    values: list[float]

    @property
    def mean(self) -> float:
        """Their mean."""
        return mean(self.values)

    @property
    def spread(self) -> float:
        """Their standard deviation."""
        return stdev(self.values) if len(self.values) > 1 else 0.0


@final
@dataclass(frozen=True)
class LayerReport:
    """What was measured, and what follows from it.

    Attributes:
        clips: their number, equal samples once.
        classes: the names of the classes.
        rows: mel statistics, then each layer from 0.
        tuned: the frozen head of the best layer and LoRA, on the same splits; empty if not tried.
        layer: the best layer.
        method: the advice.
        reason: why.
    """

    clips: int
    classes: list[str]
    rows: list[Scores]
    tuned: list[Scores]
    layer: int
    method: str
    reason: str


def balanced(answer: Tensor, label: Tensor) -> float:
    """Return the mean, over the classes of `label`, of the share that is right."""
    shares = [(answer[label == number] == number).float().mean() for number in label.unique()]
    return float(torch.stack(shares).mean())


@torch.no_grad()
def layer_features(whisper: Whisper, sounds: Sounds) -> dict[str, Tensor]:
    """Return mean and standard deviation over true frames: of the mel bands, and of each layer."""
    mel, parts = LogMel(), dict[str, list[Tensor]]()
    pairs = zip(sounds.samples.split(16), sounds.length.split(16), strict=True)
    for samples, length in pairs:
        spectrum = mel(samples).transpose(1, 2)
        parts.setdefault(MEL, []).append(pooled(spectrum, 2 * length))  # a column is half a frame
        for number, states in enumerate(whisper.hidden(samples)):
            parts.setdefault(f"layer {number}", []).append(pooled(states, length))
    return {name: torch.cat(values) for name, values in parts.items()}


def head_score(features: Tensor, label: Tensor, split: Split) -> float:
    """Return the balanced accuracy of a logistic head that is fitted to one side of a split."""
    train, test = map(torch.from_numpy, split)
    answer = Answer(features.shape[1], int(label.max()) + 1)
    answer.fit(features[train], label[train])
    with torch.no_grad():
        return balanced(answer(features[test]).argmax(1), label[test])


def lora_score(
    bare: ClipClassifier, sounds: Sounds, split: Split, *, steps: int = STEPS, seed: int = 0
) -> tuple[float, float]:
    """Return the balanced accuracies of the frozen head, and of LoRA that starts from it.

    Args:
        bare: the network without an adapter; it stays as it is.
        sounds: the clips.
        split: their places.
        steps: optimiser steps of 12 clips.
        seed: seed of the adapter and of the batches.
    """
    from peft import LoraConfig

    train, test = map(torch.from_numpy, split)
    torch.manual_seed(seed)
    network = copy.deepcopy(bare)
    model = attach(network, LoraConfig(r=8, lora_alpha=16), targets="query_value").eval()

    @torch.no_grad()
    def features(places: Tensor) -> Tensor:
        parts = [network.features(sounds.samples[k], sounds.length[k]) for k in places.split(16)]
        return torch.cat(parts)

    def score() -> float:
        return balanced(network.answer(features(test)).argmax(1), sounds.label[test])

    network.answer.fit(features(train), sounds.label[train])
    frozen = score()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=LR, weight_decay=0.01)
    draw, queue = torch.Generator().manual_seed(seed), train[:0]
    for _ in range(steps):
        while len(queue) < BATCH:
            queue = torch.cat([queue, train[torch.randperm(len(train), generator=draw)]])
        pick, queue = queue[:BATCH], queue[BATCH:]
        with torch.autocast("cpu", torch.bfloat16):
            states = network.features(sounds.samples[pick], sounds.length[pick])
        optimizer.zero_grad()
        F.cross_entropy(network.answer(states.float()), sounds.label[pick]).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    return frozen, score()


def folds_of(sounds: Sounds, folds: int, seed: int) -> list[Split]:
    """Return splits in which no recording is on both sides.

    Raises:
        RecipeError: there is one class, or a class has fewer recordings than there are folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if len(sounds.classes) < 2:
        rule = "there is nothing to tell apart"
        raise RecipeError(f"class {sounds.classes[0]!r} alone", rule, "Add another class")
    for number, name in enumerate(sounds.classes):
        pairs = zip(sounds.recording, sounds.label.tolist(), strict=True)
        count = len({recording for recording, label in pairs if label == number})
        if count < folds:
            rule = f"it has {count} recordings, and each of {folds} folds needs one"
            raise RecipeError(f"class {name!r}", rule, "Add recordings, or set --folds lower")
    maker = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(maker.split(np.zeros(len(sounds.label)), sounds.label.numpy(), sounds.recording))


def compare_layers(
    sounds: Sounds,
    *,
    weights: str,
    window: float,
    folds: int = 5,
    tuned_folds: int = 3,
    seed: int = 0,
    progress: Callable[[str], None] = print,
) -> LayerReport:
    """Measure every layer with folds by recording, and LoRA at the best one.

    Args:
        sounds: the clips.
        weights: as for `audio/whisper`.
        window: seconds of the windows of `sounds`.
        folds: splits, each clip is once in a test.
        tuned_folds: splits on which LoRA is tried; 0 means none.
        seed: seed of the folds and of LoRA.
        progress: gets a line before each fit of LoRA.

    Raises:
        RecipeError: a class has too few recordings.
        WeightsError: the weights are missing or changed.
    """
    splits = folds_of(sounds, folds, seed)
    features = layer_features(Whisper(weights=weights, window=window), sounds)
    rows = [
        Scores(name, [head_score(values, sounds.label, split) for split in splits])
        for name, values in features.items()
    ]
    layer = max(range(len(rows) - 1), key=lambda number: rows[1 + number].mean)
    tuned: list[Scores] = []
    if tuned_folds and layer:  # layer 0 lies before all that LoRA could adapt
        options = {"classes": sounds.classes, "weights": weights, "window": window}
        bare = ClipClassifier(**options, read_layer=layer).eval()  # type: ignore[arg-type]
        pairs, start = list[tuple[float, float]](), time.monotonic()
        for number, split in enumerate(splits[:tuned_folds]):
            left = (time.monotonic() - start) / max(number, 1) * (tuned_folds - number)
            words = f", {left:.0f} s left" if number else ""
            progress(f"LoRA, fold {number + 1} of {tuned_folds}{words}")
            pairs.append(lora_score(bare, sounds, split, seed=seed + number))
        names = (f"frozen, layer {layer}", f"LoRA, layer {layer}")
        sides = zip(*pairs, strict=True)
        tuned = [Scores(name, list(side)) for name, side in zip(names, sides, strict=True)]
    method, reason = advice(rows, layer, tuned, 1 / len(sounds.classes))
    return LayerReport(len(sounds.label), sounds.classes, rows, tuned, layer, method, reason)


def advice(
    rows: Sequence[Scores], layer: int, tuned: Sequence[Scores], chance: float
) -> tuple[str, str]:
    """Return the method and its reason; differences below the spread of the splits do not count."""
    best, mel = rows[1 + layer], rows[0]
    if best.mean - best.spread <= chance:
        return "nothing", f"layer {layer} is within its spread of chance ({100 * chance:.0f} %)"
    if best.mean - mel.mean <= max(best.spread, mel.spread):
        return MEL, "no layer leads the mel statistics by more than the spread of the splits"
    if not tuned:
        return f"head at layer {layer}", "LoRA was not tried"
    gains = [b - a for a, b in zip(tuned[0].values, tuned[1].values, strict=True)]
    gain, spread = mean(gains), tuned[0].spread
    words = f"LoRA changes it by {100 * gain:+.1f} points, the splits differ by {100 * spread:.1f}"
    if gain > spread and min(gains) > 0:
        return f"LoRA read at layer {layer}", words
    return f"head at layer {layer}", f"{words}: no gain"
