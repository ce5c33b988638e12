"""Draw docs/figures/what_pays.png from the table `what_pays` of docs/guides/choose.md.

    python benchmarks/tables && python benchmarks/pays_figure.py

Each row has the error left by LoRA and by all weights, as a share of the error of the better of
two: the simple opponent without a base, and the frozen base. Left of 1 training pays.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from runner import draw_figure

from scionwood.authoring import figure_style

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "figures" / "what_pays.png"
WAYS = {"LoRA": ("o", "#0072B2"), "all weights": ("D", "#D55E00")}
TICKS = (0.125, 0.25, 0.5, 1.0, 2.0)


def rows() -> list[dict[str, str]]:
    """Return the cells of the table by its heads."""
    text = (ROOT / "docs" / "guides" / "choose.md").read_text(encoding="utf-8")
    lines = text.split("<!-- table: what_pays -->\n")[1].split("<!-- end -->")[0].splitlines()
    head, _, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(zip(head, cells, strict=True)) for cells in body]


def error(row: dict[str, str], way: str) -> float | None:
    """Return the error of a way: the score itself, or what it lacks to 1 or to 100 %."""
    if not row[way]:
        return None
    value = float(row[way])
    full = 100.0 if "%" in row["task"] else 1.0
    return value if row["better"] == "lower" else full - value


def draw() -> Figure:
    """Return the figure: one line for each task and number of examples."""
    table = rows()
    with figure_style():
        figure = Figure(figsize=(8.0, 0.31 * len(table) + 1.0), layout="constrained")
        axis = figure.subplots()
        for way, (marker, colour) in WAYS.items():
            shares = []
            for place, row in enumerate(table):
                best = min(
                    filter(None, (error(row, w) for w in ("simple, no base", "frozen base")))
                )
                if (own := error(row, way)) is not None:
                    shares.append((own / best, place))
            axis.plot(*zip(*shares, strict=True), marker, color=colour, label=way)
        axis.axvline(1.0, color="0.5", linewidth=1)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(FixedLocator(TICKS))
        axis.xaxis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in TICKS]))
        axis.xaxis.set_minor_locator(NullLocator())
        names = [f"{row['task'].rsplit(',', 1)[0]}, {row['examples']}" for row in table]
        axis.set_yticks(range(len(table)), names)
        axis.invert_yaxis()
        axis.grid(axis="y", alpha=0.3)
        axis.set_xlabel("error after training, as a share of the best without training the base")
        axis.legend(loc="lower left")
    return figure


if __name__ == "__main__":
    draw_figure(__doc__ or "", draw, TARGET)
