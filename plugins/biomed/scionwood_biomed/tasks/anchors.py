"""The two texts and pictures to which the texts of classes are held: expert and low anchor."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from scionwood import ReadError, RecipeError
from scionwood_biomed.model.model import ClipBackbone

Prompts = Mapping[str, Sequence[str]]
"""By class: sentences."""

PLAIN = (
    "a medical image of {}",
    "a scan showing {}",
    "an image of a patient with {}",
    "a radiologist sees {}",
)
"""Sentences where no expert wrote any."""


def read_prompts(path: Path) -> Prompts:
    """Expert prompts from a file.

    Args:
        path: `.json` with a list of sentences by class, or `.csv` with the columns class and
            prompt.

    Raises:
        ReadError: there is no such file, or it is of another form.
    """
    path, found = Path(path), defaultdict[str, list[str]](list)
    remedy = "Write {class: [sentences]} as JSON, or a table with the columns class and prompt"
    try:
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    found[row["class"]].append(row["prompt"])
        else:
            found.update(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        rule = f"no table of prompts ({type(error).__name__}: {error})"
        raise ReadError(str(path), rule, remedy) from error
    for label, prompts in found.items():
        good = isinstance(prompts, list) and prompts and all(isinstance(p, str) for p in prompts)
        if not good:
            raise ReadError(str(path), f"class {label!r} has no list of sentences", remedy)
    return dict(found)


def prompts_of(classes: Sequence[str], expert: Prompts | None) -> list[list[str]]:
    """The sentences of each class: the expert's, or plain ones where no file is given.

    Raises:
        RecipeError: the expert's file lacks a class.
    """
    if expert is None:
        return [[sentence.format(name) for sentence in PLAIN] for name in classes]
    missing = [name for name in classes if name not in expert]
    if missing:
        rule = f"the expert prompts have no class {missing[0]!r}"
        raise RecipeError("task.experts", rule, f"They have: {', '.join(sorted(expert))[:200]}")
    return [list(expert[name]) for name in classes]


@torch.no_grad()
def mean_text(backbone: ClipBackbone, prompts: Sequence[Sequence[str]]) -> Tensor:
    """(class, feature), the mean of each class's sentences, of length 1."""
    flat = [sentence for sentences in prompts for sentence in sentences]
    features = backbone.text_features(backbone.tokenize(flat))
    parts = features.split([len(sentences) for sentences in prompts])
    return F.normalize(torch.stack([part.mean(0) for part in parts]), dim=-1)


def prototypes(features: Tensor, label: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Means of the image features of each class.

    Args:
        features: (image, feature), of length 1.
        label: (image,) int64.
        classes: their number.

    Returns:
        (class, feature) of length 1, zero where no image is; and (class,) whether there is one.
    """
    onehot = F.one_hot(label, classes).to(features)
    return F.normalize(onehot.T @ features, dim=-1), onehot.sum(0) > 0


def pull(text: Tensor, anchor: Tensor, label: Tensor, weight: Tensor, known: Tensor) -> Tensor:
    """How far the texts of a batch's classes are from an anchor: the weighted mean of 1 - cosine.

    Args:
        text: (class, feature), of length 1.
        anchor: (class, feature), of length 1.
        label: (batch,) int64.
        weight: (batch,), of each image.
        known: (class,), which classes have an anchor.

    Returns:
        A scalar.
    """
    far = (1 - (text * anchor).sum(-1)) * known
    return (weight * far[label]).mean()


def confidence(logits: Tensor) -> Tensor:
    """(batch, class) to (batch,): `1 - H / log C`, 1 for a sure prediction and 0 for none."""
    logs = logits.detach().log_softmax(-1)
    entropy = -(logs.exp() * logs).sum(-1)
    return 1 - entropy / torch.log(torch.tensor(float(max(2, logits.shape[-1]))))
