"""The scores of a sequence of tasks: summarise, write and draw them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scionwood import TrainingError
from scionwood.authoring import atomic_path, figure_style, writing
from scionwood_methods.continual.metrics import average_accuracy, backward_transfer, forgetting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RECORD = "sequence.json"


@dataclass
class Scores:
    """The score on each task after each learned task.

    Attributes:
        method: the continual-learning method.
        options: the options of the method.
        score: the value that is measured on the test split, such as `test_loss`.
        higher: whether larger values are better.
        tasks: the names of the learned tasks, in order.
        rows: after each learned task, the scores on all tasks of the sequence.
        folder: where they are written; it is no part of the record.
    """

    method: str
    options: dict[str, Any]
    score: str
    higher: bool
    tasks: list[str] = field(default_factory=list)
    rows: list[list[float]] = field(default_factory=list)
    folder: Path | None = field(default=None, init=False, compare=False)

    def record(self) -> dict[str, Any]:
        """Return what the file of the sequence holds."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}

    def summary(self) -> dict[str, float]:
        """Return average, backward transfer and forgetting after the last task.

        All are in the unit of the score. If earlier tasks became worse, backward transfer is
        negative and forgetting positive, also for scores whose small values are good.
        """
        # The metrics are defined for accuracies, where larger is better.
        sign = 1.0 if self.higher else -1.0
        square = [[sign * value for value in row[: len(self.rows)]] for row in self.rows]
        values = {"average": sign * average_accuracy(square)}
        if len(square) > 1:
            values["backward_transfer"] = backward_transfer(square)
            values["forgetting"] = forgetting(square)
        return values

    def lines(self, names: Sequence[str]) -> list[list[str]]:
        """Return a heading, and a line for each learned task.

        Args:
            names: the names of all tasks of the sequence.
        """
        table = [[self.score, *names]]
        for task, row in zip(self.tasks, self.rows, strict=True):
            table.append([f"after {task}", *(f"{value:.6g}" for value in row)])
        return table

    def write(self, folder: str | Path, names: Sequence[str]) -> None:
        """Write scores.csv, summary.csv, figures/scores.png and, last, the record.

        Raises:
            WriteError: the folder cannot be written.
        """
        folder = Path(folder)
        values = {key: f"{value:.6g}" for key, value in self.summary().items()}
        with writing(folder):
            _write_csv(folder / "scores.csv", self.lines(names))
            _write_csv(folder / "summary.csv", [["measure", "value"], *map(list, values.items())])
            with atomic_path(folder / "figures" / "scores.png") as part:
                self.draw(names).savefig(part, dpi=120)
            with atomic_path(folder / RECORD) as part:
                part.write_text(json.dumps(self.record(), indent=2) + "\n", encoding="utf-8")

    @figure_style()
    def draw(self, names: Sequence[str]) -> Figure:
        """Draw the matrix: a row after each task, a column for each task."""
        from matplotlib.figure import Figure

        wide, high = len(names), len(self.rows)
        figure = Figure(figsize=(2.5 + 1.1 * wide, 1.8 + 0.6 * high), layout="constrained")
        axis = figure.subplots()
        colours = "viridis" if self.higher else "viridis_r"
        image = axis.imshow(self.rows, cmap=colours, aspect="auto")
        for i, row in enumerate(self.rows):
            for j, value in enumerate(row):
                axis.text(j, i, f"{value:.3g}", ha="center", va="center", color="white").set_bbox(
                    {"facecolor": "black", "alpha": 0.4, "linewidth": 0}
                )
        axis.set_xticks(range(wide), names, rotation=20, ha="right")
        axis.set_yticks(range(high), self.tasks)
        axis.set(xlabel="task that is tested", ylabel="after task", title=self.method)
        figure.colorbar(image, label=self.score)
        return figure


def read_scores(folder: str | Path) -> Scores:
    """Read what `Scores.write` wrote.

    Raises:
        TrainingError: the record is missing or damaged.
    """
    path = Path(folder) / RECORD
    try:
        return Scores(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        rule = f"it is not a record of a sequence ({type(error).__name__})"
        remedy = "Start a new sequence in another folder"
        raise TrainingError(str(path), rule, remedy) from error


def _write_csv(path: Path, lines: Sequence[Sequence[str]]) -> None:
    with atomic_path(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)
