"""Collect what the figures of a comparison show beside its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, final

import torch
from torch import Tensor, nn

from scionwood_biomed.tasks.wording import WORDINGS

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
        """Return the share of correct predictions."""
        return float((self.probabilities.argmax(-1) == self.label).float().mean())


@final
class Gallery:
    """The predictions of each method over all seeds, and one attention map of a test image.

    Args:
        shots: K of the runs to show; zero-shot is always shown.
    """

    def __init__(self, shots: int) -> None:
        self.shots = shots
        self.answers: dict[str, list[Answers]] = {}
        self.attention: tuple[Tensor, Tensor] | None = None

    def take(
        self, row: Mapping[str, Any], backbone: nn.Module, answers: Answers, image: Tensor
    ) -> None:
        """Store what the figures need from one run.

        Args:
            row: the results of the run.
            backbone: the model with the adapter of the run.
            answers: the predictions on the test images.
            image: (1, 3, size, size), one test image.
        """
        from scionwood_biomed.evaluation.figures import fused_attention

        if row["shots"] not in (0, self.shots):
            return
        self.answers.setdefault(row["method"], []).append(answers)
        attention = fused_attention(backbone, image)
        if attention is not None:
            self.attention = image[0], attention[0]

    def draw(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Figure]:
        """Draw the figures by name: `shots`, and `wordings`, `reliability`, `attention` if known.

        Args:
            rows: the rows of all runs.
        """
        from biomed_zoo import figures

        figures_by_name = {"shots": figures.over_shots(by_shots(rows))}
        chosen_rows = [row for row in rows if row["shots"] in (0, self.shots)]
        if chosen_rows:
            figures_by_name["wordings"] = figures.wordings(by_wording(chosen_rows), self.shots)
        if self.answers:
            pooled = {
                method: Answers(*(torch.cat(parts) for parts in zip(*several, strict=True)))
                for method, several in self.answers.items()
            }
            figures_by_name["reliability"] = figures.reliability_diagrams(pooled)
        if self.attention is not None:
            figures_by_name["attention"] = figures.attention_map(*self.attention)
        return figures_by_name


def by_shots(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, list[float]]]:
    """Return accuracies by method and K, one per seed; zero-shot is repeated for every K."""
    counts = sorted({row["shots"] for row in rows} - {0}) or [1]
    lines: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        for count in counts if row["shots"] == 0 else [row["shots"]]:
            lines.setdefault(row["method"], {}).setdefault(count, []).append(row["accuracy"])
    return lines


def by_wording(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the mean accuracy over seeds by method and family of wordings."""
    keys = {family: f"wording_{family}" for family in WORDINGS} | {"template": "accuracy"}
    means: dict[str, dict[str, float]] = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = [row for row in rows if row["method"] == method]
        means[method] = {
            family: sum(row[key] for row in mine) / len(mine) for family, key in keys.items()
        }
    return means
