"""Draw the figure of the Bangla plugin: a checked letter, and the levels of a model's answers.

    python benchmarks/bangla_figure.py    # seconds

The left half shows the faults that the checker reports in two sentences. The right half shows
register match from benchmarks/results/bangla_generation.csv. Bangla needs
`pip install fontpkg-hind-siliguri matplotlib`.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from bangla_fonts import family
from matplotlib import rc_context
from matplotlib.figure import Figure
from runner import read

from bangla_checker import LEVELS, check_text
from scionwood.authoring import figure_style

COLOURS = {"tui": "#E69F00", "tumi": "#56B4E9", "apni": "#009E73"}
"""Colours that colour-blind readers can distinguish (Okabe and Ito)."""

PRONOUNS = {"tui": "তুই", "tumi": "তুমি", "apni": "আপনি"}

TARGET = Path(__file__).parents[1] / "docs" / "figures" / "bangla.png"
LINES = ("আপনি আমার চিঠি পেয়েছ জেনে খুশি হলাম।", "তোমার সাহায্য পেলে উপকার হবে।")
METHODS = {
    "zero_shot": "base model",
    "few_shot": "base,\nexamples in prompt",
    "format_prompted": "base,\nlevel in prompt",
    "adapter": "adapter",
    "adapter_format_prompted": "adapter,\nlevel in prompt",
}
WRONG, RIGHT = "#a63c00", "#00664b"


def draw_letter(axes: Any) -> None:
    """Draw the sentences with each fault in colour, its rule and the suggestion below it."""
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        title="Sentences of a letter to an official, checked for the level apni",
    )
    axes.axis("off")
    for number, line in enumerate(LINES):
        text = " ".join(LINES)
        faults = {f.word: f for f in check_text(text, ["apni"]).faults}
        x, y = 0.0, 0.78 - 0.42 * number
        for word in line.split():
            fault = faults.get(check_text(word).text)
            colour = WRONG if fault else "black"
            label = axes.text(x, y, word, fontsize=19, color=colour)
            box = label.get_window_extent()
            right = axes.transData.inverted().transform((box.x1, box.y0))[0]
            if fault:
                below = f"{fault.rule}: {fault.suggestions[0]}"
                axes.text(x, y - 0.16, below, fontsize=14, color=RIGHT)
            x = right + 0.02


def draw_match(axes: Any) -> None:
    """Draw register match on the hand-written prompts by method and level, mean of three seeds."""
    values = defaultdict(list)
    for row in read("bangla_generation"):
        key = (row["recipe"], row["suite"], row["decoding"], row["measure"])
        if key == ("bangla/register_tiny", "handwritten", "greedy", "register_match"):
            values[row["method"], row["group"]].append(float(row["value"]))
    for at, level in enumerate(LEVELS):
        groups = [values[method, level] for method in METHODS]
        places = [number + (at - 1) * 0.27 for number in range(len(METHODS))]
        axes.bar(
            places,
            [mean(group) for group in groups],
            0.25,
            yerr=[stdev(group) for group in groups],
            color=COLOURS[level],
            label=f"{PRONOUNS[level]} ({level})",
            error_kw={"ecolor": "0.25", "elinewidth": 0.8, "capsize": 1.5},
        )
    axes.set_xticks(range(len(METHODS)), METHODS.values(), fontsize=8)
    axes.set(ylim=(0, 1.08), ylabel="share of answers", title="Answers at the expected level")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize=9, title="expected level")


@figure_style()
def main() -> None:
    fonts = [name for name in (family(), "DejaVu Sans") if name]
    with rc_context({"font.family": fonts}):
        figure = Figure(figsize=(12, 3.6), dpi=110)
        left, right = figure.subplots(1, 2, width_ratios=(1, 1))
        figure.subplots_adjust(left=0.02, right=0.99, bottom=0.17, top=0.9, wspace=0.12)
        draw_letter(left)
        draw_match(right)
        figure.savefig(TARGET)


if __name__ == "__main__":
    main()
