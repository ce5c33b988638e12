"""The class of an image with the network of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch

from scionwood import load_run, resolve
from scionwood_biomed.data.images import fitted
from scionwood_biomed.readers.display import Window

AT_ONCE = 16
"""Views that are looked at together."""

NOTICE = "Research use only: this is no medical device and no diagnosis."


@final
class Answer(NamedTuple):
    """What a network says of an image.

    Attributes:
        probabilities: by class, the mean over the views.
        label: the most probable class; None where its probability is below the threshold.
        views: how many pictures of the image were looked at.
    """

    probabilities: dict[str, float]
    label: str | None
    views: int


@final
class Classifier:
    """The network of a run of `biomed/few_shot`.

    Args:
        run: the run folder.
        classes: names; those of the run's data where None.
        device: where to compute.

    Attributes:
        window: of CT, in which the run's data was shown.
        mpp: of whole slides, micrometres a pixel of the run's data.

    Raises:
        TrainingError: the folder is no finished run.
        AdapterFileError: the adapter is damaged, or made for another base.
    """

    def __init__(
        self, run: Path, *, classes: Sequence[str] | None = None, device: str = "cpu"
    ) -> None:
        self.task: Any = load_run(Path(run), device)
        data = resolve(Path(run) / "recipe.yaml").data
        self.window: Window = data.options.get("window", "file")
        self.mpp: float = data.options.get("mpp", 0.5)
        if classes is None:
            classes = data.build().names()
        self.classes, self.device = list(classes), device

    @property
    def size(self) -> int:
        """Pixels a side of what the network sees."""
        return int(self.task.backbone.size)

    def classify(self, views: Iterable[np.ndarray], confidence: float) -> Answer:
        """Probabilities, and a class where one of them is high enough.

        Each view has probabilities of its own, and the answer is their mean: a slice that shows
        nothing of a finding weighs as much as one that does, so that a volume's confidence is
        rarely that of its clearest slice.

        Args:
            views: (row, column, 3) float32, 0 to 1, each; see `readers.opening.read_views`.
            confidence: the threshold, 0 to 1.

        Raises:
            ValueError: there is no view.
        """
        coming = iter(views)
        batches = iter(lambda: list(islice(coming, AT_ONCE)), [])
        parts = [self._probabilities(batch) for batch in batches]
        if not parts:
            raise ValueError("views: none is given. Give one at least")
        every = torch.cat(parts)
        found = every.mean(0).tolist()
        best = max(range(len(found)), key=found.__getitem__)
        label = self.classes[best] if found[best] >= confidence else None
        return Answer(dict(zip(self.classes, found, strict=True)), label, len(every))

    @torch.no_grad()
    def _probabilities(self, views: Sequence[np.ndarray]) -> torch.Tensor:
        image = torch.stack([fitted(view, self.size) for view in views]).to(self.device)
        found: torch.Tensor = self.task.predict({"image": image, "classes": self.classes})
        return found.double().cpu()


def text(answer: Answer, confidence: float) -> str:
    """An answer as lines for a terminal."""
    ranked = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])
    lines = [f"{value:8.4f}  {name}" for name, value in ranked]
    said = answer.label or f"no answer: no class reaches {confidence:g}"
    seen = [f"mean of {answer.views} views"] if answer.views > 1 else []
    return "\n".join([*lines, *seen, said, NOTICE])
