"""Which layer tells the classes of recordings apart, and whether LoRA adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import default_collate

from scionwood import RecipeError, attach
from scionwood.authoring import minimise
from scionwood_audio.data.recordings import window_of
from scionwood_audio.data.tables import Clip
from scionwood_audio.inference.progress import progress
from scionwood_audio.model.heads import fit_clip_head, pooled
from scionwood_audio.model.mel import RATE, LogMel
from scionwood_audio.model.whisper import Whisper
from scionwood_audio.tasks.classify import Classify

if TYPE_CHECKING:
    from scionwood_audio.verbs.options import LayersOptions

MEL = "mel statistics"
"""The simplest opponent: mean and standard deviation of each band."""

STEPS, BATCH, LR = 40, 8, 1e-3
"""Of the fit of LoRA; a step has eight clips."""

Row = dict[str, Any]
Split = tuple[np.ndarray, np.ndarray]
"""Places of the training and of the test clips."""


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
    """What was measured, and what follows from it."""

    clips: int
    classes: list[str]
    rows: list[Scores]
    method: str
    reason: str


@torch.no_grad()
def layer_features(whisper: Whisper, rows: Sequence[Row]) -> dict[str, Tensor]:
    """Return mean and standard deviation of the mel bands, and the mean of each layer, by name."""
    mel, parts = LogMel(), dict[str, list[Tensor]]()
    with progress("layers", len(rows)) as advance:
        for start in range(0, len(rows), BATCH):
            batch = default_collate(list(rows[start : start + BATCH]))
            bands, columns = mel(batch["samples"]).transpose(1, 2), 2 * batch["length"]
            average = pooled(bands, columns)  # a column is half a frame
            variance = pooled(bands.square(), columns) - average.square()
            statistics = torch.cat([average, variance.clamp_min(1e-8).sqrt()], 1)
            parts.setdefault(MEL, []).append(statistics)
            for number, states in enumerate(whisper.hidden(batch["samples"])):
                means = pooled(states, batch["length"])
                parts.setdefault(f"layer {number}", []).append(means)
            advance(len(batch["length"]))
    return {name: torch.cat(values) for name, values in parts.items()}


def head_score(features: Tensor, label: Tensor, split: Split) -> float:
    """Return the balanced accuracy of a logistic head that is fitted to one side of a split."""
    from sklearn.metrics import balanced_accuracy_score

    train, test = split
    weight, bias = fit_clip_head(features[train], label[train])
    answer = F.linear(features[test], weight, bias).argmax(1)
    return float(balanced_accuracy_score(label[test], answer))


def lora_score(
    whisper: Whisper, rows: Sequence[Row], classes: Sequence[str], split: Split, *, seed: int = 0
) -> float:
    """Return the balanced accuracy of LoRA that starts from the head on frozen features."""
    from peft import LoraConfig
    from sklearn.metrics import balanced_accuracy_score

    train, test = split
    torch.manual_seed(seed)
    model: Any = attach(whisper, LoraConfig(r=8, lora_alpha=16), targets="query_value")
    task, draw = Classify(model, classes=classes).eval(), np.random.default_rng(seed)

    def batches(places: np.ndarray) -> list[Any]:
        parts = np.array_split(places, -(-len(places) // BATCH))
        return [default_collate([rows[place] for place in part]) for part in parts]

    def loss(_: int) -> Tensor:
        (batch,) = batches(draw.choice(train, min(BATCH, len(train)), replace=False))
        with torch.autocast("cpu", torch.bfloat16):
            return task.losses(batch)["loss"]

    task.fit_to(batches(train))
    parameters = [p for p in model.parameters() if p.requires_grad]
    minimise(loss, parameters, steps=STEPS, lr=LR, weight_decay=0.01, clip=1.0, label="LoRA")
    with torch.no_grad():
        answer = torch.cat([task.logits(batch).argmax(1) for batch in batches(test)])
    names = [classes[place] for place in answer]
    return float(balanced_accuracy_score([rows[place]["label"] for place in test], names))


def folds_of(clips: Sequence[Clip], folds: int, seed: int) -> list[Split]:
    """Return splits in which no recording is on both sides."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels = [clip.text for clip in clips]
    if len(set(labels)) < 2:
        rule = "there is nothing to tell apart"
        raise RecipeError(f"class {labels[0]!r} alone", rule, "Add another class")
    for name in sorted(set(labels)):
        count = len({clip.group for clip in clips if clip.text == name})
        if count < folds:
            rule = f"it has {count} recordings, and each of {folds} folds needs one"
            raise RecipeError(f"class {name!r}", rule, "Add recordings, or set --folds lower")
    maker = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(maker.split(labels, labels, [clip.group for clip in clips]))


def compare_layers(clips: Sequence[Clip], options: LayersOptions) -> LayerReport:
    """Measure every layer with folds by recording, and LoRA at the best one; progress on stderr."""
    splits, classes = folds_of(clips, options.folds, options.seed), sorted({c.text for c in clips})
    label = torch.tensor([classes.index(clip.text) for clip in clips])
    tower: dict[str, Any] = {"weights": options.weights, "window": options.window}
    windows = [window_of(clip, round(options.window * RATE)) for clip in clips]
    rows = [
        Scores(name, [head_score(values, label, split) for split in splits])
        for name, values in layer_features(Whisper(**tower), windows).items()
    ]
    layer = max(range(len(rows) - 1), key=lambda number: rows[1 + number].mean)
    tuned: list[float] = []
    if layer:  # layer 0 lies before all that LoRA could adapt
        for number, split in enumerate(splits[: options.tuned_folds], options.seed):
            whisper = Whisper(**tower, read_layer=layer, outputs=len(classes))
            tuned.append(lora_score(whisper, windows, classes, split, seed=number))
    method, reason = advice(rows, tuned, 1 / len(classes))
    if tuned:
        rows.append(Scores(f"LoRA, layer {layer}", tuned))
    return LayerReport(len(clips), classes, rows, method, reason)


def advice(rows: Sequence[Scores], tuned: Sequence[float], chance: float) -> tuple[str, str]:
    """Return the method and its reason; differences below the spread of the splits do not count."""
    mel, best = rows[0], max(rows[1:], key=lambda scores: scores.mean)
    if best.mean - best.spread <= chance:
        return "nothing", f"{best.name} is within its spread of chance ({100 * chance:.0f} %)"
    if best.mean - mel.mean <= max(best.spread, mel.spread):
        return MEL, "no layer leads the mel statistics by more than the spread of the splits"
    if not tuned:
        return f"head at {best.name}", "LoRA was not tried"
    gains = [after - before for before, after in zip(best.values, tuned, strict=False)]
    words = f"LoRA changes it by {100 * mean(gains):+.1f} points on {len(gains)} splits"
    words += f", whose spread is {100 * best.spread:.1f}"
    if mean(gains) > best.spread and min(gains) > 0:
        return f"LoRA read at {best.name}", words
    return f"head at {best.name}", f"{words}: no gain"
