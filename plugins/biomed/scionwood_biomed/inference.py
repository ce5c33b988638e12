"""The class of an image with the network of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch

from scionwood import load_run, resolve
from scionwood_biomed.data import fitted

NOTICE = "Research use only: this is no medical device and no diagnosis."


@final
class Answer(NamedTuple):
    """What a network says of an image.

    Attributes:
        probabilities: by class.
        label: the most probable class; None where its probability is below the threshold.
    """

    probabilities: dict[str, float]
    label: str | None


@final
class Classifier:
    """The network of a run of `biomed/few_shot`.

    Args:
        run: the run folder.
        classes: names; those of the run's data where None.
        device: where to compute.

    Raises:
        TrainingError: the folder is no finished run.
        AdapterFileError: the adapter is damaged, or made for another base.
    """

    def __init__(
        self, run: Path, *, classes: Sequence[str] | None = None, device: str = "cpu"
    ) -> None:
        self.task: Any = load_run(Path(run), device)
        if classes is None:
            data: Any = resolve(Path(run) / "recipe.yaml").data.build()
            classes = data.names()
        self.classes, self.device = list(classes), device

    @torch.no_grad()
    def classify(self, picture: np.ndarray, confidence: float) -> Answer:
        """Probabilities, and a class where one of them is high enough.

        Args:
            picture: (row, column, 3) float32, 0 to 1.
            confidence: the threshold, 0 to 1.
        """
        image = fitted(picture, self.task.backbone.size)[None].to(self.device)
        found = self.task.predict({"image": image, "classes": self.classes})[0].tolist()
        best = max(range(len(found)), key=found.__getitem__)
        label = self.classes[best] if found[best] >= confidence else None
        return Answer(dict(zip(self.classes, found, strict=True)), label)


def text(answer: Answer, confidence: float) -> str:
    """An answer as lines for a terminal."""
    ranked = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
    lines = [f"{value:8.4f}  {name}" for name, value in ranked]
    said = answer.label or f"no answer: no class reaches {confidence:g}"
    return "\n".join([*lines, said, NOTICE])
