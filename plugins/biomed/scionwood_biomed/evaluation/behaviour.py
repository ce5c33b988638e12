"""Probes of a classifier of images: wordings, a blank image, and burned-in text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from scionwood import ScionwoodError, Task, resolve
from scionwood.authoring import ProbeResult
from scionwood_biomed.tasks.few_shot import FewShot
from scionwood_biomed.tasks.wording import UNSEEN, with_wording

WORDING = "the wording of a class is not evidence about an image; half of the answers may change"
BLANK = "an image of one grey has no finding, so that nothing should be near to certain"
TEXT = "letters in a corner are about the device or the patient, and not about the organ"
SIDE = "the same letters in any corner must not pull the answers to one class"

IMAGES = 24
GREYS = (0.0, 0.25, 0.5, 0.75, 1.0)

_LETTERS = {
    "L": ("1000", "1000", "1000", "1000", "1111"),
    "R": ("1110", "1001", "1110", "1010", "1001"),
    "7": ("1111", "0001", "0010", "0100", "0100"),
}


@torch.no_grad()
def few_shot(task: Task, folder: Path | None = None) -> list[ProbeResult]:
    """Probe a few-shot classifier with six wordings, blank images and burned-in letters.

    Shapes: images of (image, 3, size, size), float32.

    Units: grey values from 0 to 1; shares of the images.

    Args:
        task: the task `biomed/few_shot`.
        folder: the run folder, whose data name the classes and give the images; generated slices
            without it.

    Returns:
        Five results.

    Example:
        >>> from scionwood_biomed.evaluation.behaviour import few_shot
        >>> recipe = scionwood.resolve("biomed/few_shot_lora", smoke=True)
        >>> task = scionwood.load_run(scionwood.fit(recipe, run_dir="runs/first"))
        >>> len(few_shot(task))
        5
    """
    classifier = cast(FewShot, task)
    image, classes = _images(classifier, folder)
    usual = _answers(classifier, image, classes)
    changed = [
        float(
            (_answers(classifier, image, classes, with_wording(family, classes)) != usual)
            .float()
            .mean()
        )
        for family in UNSEEN
    ]
    size = classifier.towers.size
    grey = torch.tensor(GREYS).view(-1, 1, 1, 1).expand(-1, 3, size, size)
    sure = (
        classifier.predict({"image": grey.to(classifier.device), "classes": classes}).max(-1).values
    )
    burned = [_answers(classifier, burn(image, text), classes) for text in ("R", "L", "L 7")]
    flips = [(after != usual).float().mean().item() for after in burned]
    return [
        ProbeResult("wordings, mean", float(np.mean(changed)), most=0.25, reason=WORDING),
        ProbeResult("wordings, worst of six", max(changed), most=0.5, reason=WORDING),
        ProbeResult("blank image, confidence", float(sure.max()), most=0.9, reason=BLANK),
        ProbeResult("burned-in text, worst of three", max(flips), most=0.1, reason=TEXT),
        ProbeResult("burned-in text, to one class", _to_one(usual, burned), most=0.1, reason=SIDE),
    ]


def burn(image: Tensor, text: str) -> Tensor:
    """Return images with white letters in their lower right corner.

    Args:
        image: (image, 3, size, size), 0 to 1.
        text: letters of `L`, `R`, `7` and spaces.
    """
    rows = [
        " ".join(_LETTERS.get(letter, ("0000",) * 5)[row] for letter in text) for row in range(5)
    ]
    bits = torch.tensor([[float(bit == "1") for bit in row] for row in rows])
    by = max(1, image.shape[-1] // 64)
    stamp = bits.repeat_interleave(by, 0).repeat_interleave(by, 1).to(image)
    high, wide = stamp.shape
    edge = 2 * by
    result = image.clone()
    place = result[..., -high - edge : -edge, -wide - edge : -edge]
    place.copy_(torch.maximum(place, stamp.expand_as(place)))
    return result


def _answers(
    task: FewShot, image: Tensor, classes: Sequence[str], texts: Sequence[str] | None = None
) -> Tensor:
    batch: dict[str, Any] = {"image": image.to(task.device), "classes": list(classes)}
    return task.predict(batch | ({"texts": list(texts)} if texts else {})).argmax(-1).cpu()


def _to_one(usual: Tensor, burned: Sequence[Tensor]) -> float:
    """Return the largest share of images that letters move to one class."""
    counts = [torch.bincount(after[after != usual], minlength=1).max() for after in burned]
    return max(int(count) for count in counts) / len(usual)


def _images(task: FewShot, folder: Path | None) -> tuple[Tensor, list[str]]:
    """Return images of the test split of the run, or generated slices, and the classes."""
    from scionwood_biomed.data.phantoms import Phantoms

    if folder is not None:
        try:
            return _first(resolve(folder / "recipe.yaml").data.build())
        except ScionwoodError:  # the images of the training are elsewhere
            pass
    return _first(Phantoms(subjects=20, images=2, shots=2, size=task.towers.size))


def _first(data: Any) -> tuple[Tensor, list[str]]:
    data.prepare_data()
    data.setup("test")
    batches: list[Any] = []
    for batch in data.test_dataloader():
        batches.append(batch)
        if sum(len(part["image"]) for part in batches) >= IMAGES:
            break
    image = torch.cat([part["image"] for part in batches])[:IMAGES]
    return image, list(batches[0]["classes"])
