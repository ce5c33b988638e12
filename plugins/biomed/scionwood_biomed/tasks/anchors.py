"""The anchors that the text features of the classes are pulled towards."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from scionwood import ReadError, RecipeError
from scionwood.authoring import reading
from scionwood_biomed.model.towers import ClipBackbone

Prompts = Mapping[str, Sequence[str]]
"""Sentences by class name."""

PLAIN = (
    "a medical image of {}",
    "a scan showing {}",
    "an image of a patient with {}",
    "a radiologist sees {}",
)
"""The sentences that are used if no expert prompts are given."""


def read_prompts(path: str | Path) -> Prompts:
    """Read expert prompts from a file.

    Args:
        path: a `.json` file with a list of sentences by class, or a `.csv` file with the columns
            class and prompt.

    Raises:
        ReadError: the file is missing, or it has another structure.
    """
    path, prompts = Path(path), defaultdict[str, list[str]](list)
    remedy = "Write {class: [sentences]} as JSON, or a table with the columns class and prompt"
    with reading(path, "prompts (.json, .csv)"):
        text = path.read_text(encoding="utf-8")
    try:
        if path.suffix == ".csv":
            for row in csv.DictReader(io.StringIO(text)):
                prompts[row["class"]].append(row["prompt"])
        else:
            prompts.update(json.loads(text))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        rule = f"it is not a table of prompts ({type(error).__name__}: {error})"
        raise ReadError(str(path), rule, remedy) from error
    for label, sentences in prompts.items():
        is_list = isinstance(sentences, list) and all(isinstance(s, str) for s in sentences)
        if not (is_list and sentences):
            raise ReadError(str(path), f"class {label!r} has no list of sentences", remedy)
    return dict(prompts)


def prompts_of(classes: Sequence[str], expert: Prompts | None) -> list[list[str]]:
    """Return the sentences of each class: the expert prompts, or plain ones if there are none.

    Args:
        classes: class names.
        expert: sentences by class, or `None`.

    Raises:
        RecipeError: the expert prompts lack a class.
    """
    if expert is None:
        return [[sentence.format(name) for sentence in PLAIN] for name in classes]
    missing = [name for name in classes if name not in expert]
    if missing:
        rule = f"the expert prompts have no class {missing[0]!r}"
        raise RecipeError("task.experts", rule, f"Their classes: {', '.join(sorted(expert))[:200]}")
    return [list(expert[name]) for name in classes]


@torch.no_grad()
def mean_text(backbone: ClipBackbone, prompts: Sequence[Sequence[str]]) -> Tensor:
    """Return (class, feature): the normalised mean text feature of each class's sentences."""
    flat = [sentence for sentences in prompts for sentence in sentences]
    features = backbone.text_features(backbone.tokenize(flat))
    parts = torch.split(features, [len(sentences) for sentences in prompts])
    return F.normalize(torch.stack([part.mean(0) for part in parts]), dim=-1)


def prototypes(features: Tensor, label: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return the normalised mean image feature of each class.

    Args:
        features: (image, feature), of unit length.
        label: (image,) int64.
        classes: number of classes.

    Returns:
        (class, feature) of unit length, zero for a class without images; and (class,) bool, true
        for a class with images.
    """
    onehot = F.one_hot(label, classes).to(features)
    return F.normalize(onehot.T @ features, dim=-1), onehot.sum(0) > 0


def pull(text: Tensor, anchor: Tensor, label: Tensor, weight: Tensor, has_anchor: Tensor) -> Tensor:
    """Return the weighted mean over a batch of `1 - cosine` between text features and an anchor.

    Args:
        text: (class, feature), of unit length.
        anchor: (class, feature), of unit length.
        label: (batch,) int64.
        weight: (batch,), weight of each image.
        has_anchor: (class,), true for classes that have an anchor.

    Returns:
        A scalar.
    """
    distance = (1 - (text * anchor).sum(-1)) * has_anchor
    return (weight * distance[label]).mean()


def confidence(logits: Tensor) -> Tensor:
    """Return `1 - H / log C` of each prediction: 1 if it is certain, 0 if it is uniform.

    Args:
        logits: (batch, class); C is the number of classes and H the entropy of the prediction.

    Returns:
        (batch,).
    """
    logs = logits.detach().log_softmax(-1)
    entropy = -(logs.exp() * logs).sum(-1)
    return 1 - entropy / torch.log(torch.tensor(float(max(2, logits.shape[-1]))))
