"""Draw docs/figures/methods.png from benchmarks/results/continual.csv and unir.csv.

    python benchmarks/methods_figure.py

Left: accuracy and forgetting after five tasks in a row. Right: rewards of the base model alone and
with the trained reasoner. Crosses and bars show the standard deviation over three seeds.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean, stdev

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from runner import draw_figure, read

from scionwood.authoring import figure_style

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "figures" / "methods.png"
COLOURS = ("0.45", "#CC79A7", "#0072B2", "#009E73", "#E69F00", "#D55E00")
NAMES = {
    "naive LoRA": "LoRA, no protection",
    "peft OSF": "OSF of peft",
    "ewc": "EWC",
    "ace_lora_edit": "ACE-LoRA",
    "seqlora_bilevel": "SeqLoRA",
    "igsp": "iGSP",
}
REWARDS = {"base": "base alone", "before": "untrained reasoner", "after": "trained reasoner"}


def columns(name: str, key: str) -> dict[str, list[dict[str, str]]]:
    """Return the rows of a CSV file, grouped by a column."""
    groups: dict[str, list[dict[str, str]]] = {}
    for row in read(name):
        groups.setdefault(row[key], []).append(row)
    return groups


def spread(rows: list[dict[str, str]], column: str) -> tuple[float, float]:
    """Return mean and standard deviation over seeds."""
    values = [float(row[column]) for row in rows]
    return mean(values), stdev(values)


def draw_tasks(axis: Axes) -> None:
    """Draw forgetting and accuracy of each continual-learning method."""
    groups = columns("continual", "method")
    for colour, (method, label) in zip(COLOURS, NAMES.items(), strict=True):
        x, dx = spread(groups[method], "forgetting")
        y, dy = spread(groups[method], "average_accuracy")
        axis.errorbar(x, y, dy, dx, "o", color=colour, label=label, capsize=2)
    bound, _ = spread(groups["joint LoRA (bound)"], "average_accuracy")
    axis.axhline(bound, color="0.3", linestyle="--", linewidth=1, label="all tasks at once (bound)")
    axis.set(
        xlabel="forgetting (loss of accuracy)",
        ylabel="average accuracy",
        xlim=(0, 0.6),
        ylim=(0.2, 0.85),
    )
    axis.set_title("Five tasks in a row", fontsize="medium")
    axis.legend(fontsize="x-small", loc="upper left", bbox_to_anchor=(1.0, 1.0))


def draw_rewards(axis: Axes) -> None:
    """Draw the rewards of the reasoner of UniR."""
    rows = columns("unir", "variant")["LoRA in the reasoner"]
    for place, column in enumerate(REWARDS):
        height, error = spread(rows, column)
        axis.bar(place, height, 0.6, yerr=error, color=COLOURS[2], capsize=3)
        axis.text(place, height + 0.05, f"{height:.2f}", ha="center", fontsize="small")
    axis.set_xticks(range(3), [name.replace(" ", "\n") for name in REWARDS.values()])
    axis.set(ylabel="mean reward (0 to 1)", ylim=(0, 1.15))
    axis.set_title("A reasoner trained by rewards", fontsize="medium")


@figure_style()
def draw() -> Figure:
    """Read the results and draw both parts."""
    figure = Figure(figsize=(9.5, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    draw_tasks(left)
    draw_rewards(right)
    return figure


if __name__ == "__main__":
    draw_figure(__doc__, draw, TARGET)
