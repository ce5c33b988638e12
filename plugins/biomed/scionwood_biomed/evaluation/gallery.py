"""What the figures of a comparison show beside its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@final
class Answers(NamedTuple):
    """Predictions on the test images.

    Attributes:
        probabilities: (image, class).
        label: (image,) int64.
    """

    probabilities: Tensor
    label: Tensor

    def accuracy(self) -> float:
        """The share of right answers."""
        return float((self.probabilities.argmax(-1) == self.label).float().mean())


@final
class Gallery:
    """Predictions of each method, over seeds, and where fused tokens look in a test image.

    Args:
        shots: K of the runs that are shown; a method without shots is shown too.
    """

    def __init__(self, shots: int) -> None:
        self.shots = shots
        self.answers: dict[str, list[Answers]] = {}
        self.attention: tuple[Tensor, Tensor] | None = None

    def take(self, row: Mapping[str, Any], backbone: Any, answers: Answers, image: Tensor) -> None:
        """Keep what is shown of a run.

        Args:
            row: of the run.
            backbone: with the run's adapter.
            answers: on the test images.
            image: (1, 3, size, size), one of them.
        """
        from scionwood_biomed.evaluation.figures import fused_attention

        if row["shots"] not in (0, self.shots):
            return
        self.answers.setdefault(row["method"], []).append(answers)
        found = fused_attention(backbone, image)
        if found is not None:
            self.attention = image[0], found[0]

    def draw(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
        """By name: accuracy over shots, and what there is of wordings, reliability and attention.

        Args:
            rows: of all runs.
        """
        from scionwood_biomed.evaluation import figures

        found = {"shots": figures.over_shots(by_shots(rows))}
        shown = [row for row in rows if row["shots"] in (0, self.shots)]
        if shown:
            found["wordings"] = figures.wordings(by_wording(shown), self.shots)
        if self.answers:
            pooled = {
                method: Answers(*(torch.cat(parts) for parts in zip(*several, strict=True)))
                for method, several in self.answers.items()
            }
            found["reliability"] = figures.reliability_diagrams(pooled)
        if self.attention is not None:
            found["attention"] = figures.attention_map(*self.attention)
        return found


def by_shots(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, list[float]]]:
    """Accuracies by method and K, one a seed; a method without shots is the same for all K."""
    counts = sorted({row["shots"] for row in rows} - {0}) or [1]
    lines: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        for count in counts if row["shots"] == 0 else [row["shots"]]:
            lines.setdefault(row["method"], {}).setdefault(count, []).append(row["accuracy"])
    return lines


def by_wording(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The mean accuracy over seeds by method and family of wordings."""
    from scionwood_biomed.tasks.wording import WORDINGS

    found: dict[str, dict[str, float]] = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        keys = {family: f"wording_{family}" for family in WORDINGS} | {"template": "accuracy"}
        found[method] = {
            family: sum(row[key] for row in mine) / len(mine) for family, key in keys.items()
        }
    return found
