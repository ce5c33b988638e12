"""Write the tables of results into the card of the crash plugin, from the CSVs beside this file.

    python benchmarks/crash_tables.py

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; a test compares both.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev

HERE = Path(__file__).parent
PAGE = HERE.parent / "plugins" / "crash" / "README.md"
MARK = re.compile(r"(<!-- table: ([a-z_]+) -->\n).*?(<!-- end -->)", re.DOTALL)
Row = dict[str, str]


def crash_pretraining() -> str:
    """Errors on training parts, on parts like them, and on longer ones."""
    rows = [row for row in read("crash_suite") if row["stage"] == "pretraining"]
    lines = []
    for arm in dict.fromkeys(row["arm"] for row in rows):
        cells = []
        for part in ("train", "test", "beyond"):
            found = [row for row in rows if (row["arm"], row["part"]) == (arm, part)]
            for name, form in (("med_share", ".1f"), ("intrusion_error", ".1f")):
                cells.append(spread([float(row[name]) for row in found], form))
            if part == "test":
                cells.append(spread([100 * float(row["rel_l2"]) for row in found], ".2f"))
        lines.append([arm, *cells])
    errors = [f"{part}: {name}" for part in ("train", "test") for name in ("MED", "intrusion")]
    head = ["arm", *errors, "test: positions", "longer: MED", "longer: intrusion"]
    return table(head, lines)


def crash_transfer() -> str:
    """Errors on an unseen family after so many simulations."""
    rows = [row for row in read("crash_suite") if row["stage"] == "transfer"]
    lines = []
    shots = list(dict.fromkeys(row["shots"] for row in rows))
    for arm in dict.fromkeys(row["arm"] for row in rows):
        found = [row for row in rows if row["arm"] == arm]
        cells = [
            spread([float(row[name]) for row in found if row["shots"] == count], ".1f")
            for count in shots
            for name in ("med_share", "intrusion_error")
        ]
        share = found[0]["share"]
        trained = f"{int(found[0]['trained']):,} ({float(share):.1%})" if share else ""
        lines.append([arm, trained, *cells])
    head = [f"{n} simulations: {name}" for n in shots for name in ("MED", "intrusion")]
    return table(["arm", "trained", *head], lines)


def crash_edge() -> str:
    """Forward and backward of the edge block and of the edge-specific layer: peers over ours."""
    rows = [row for row in read("crash_edge") if row["rival"] != "ours"]
    lines = [
        [row["operator"], row["shape"], row["pass"], row["rival"], interval(row), row["error"]]
        for row in rows
    ]
    return table(["operator", "shape", "pass", "rival", "times ours", "error"], lines)


TABLES: dict[str, Callable[[], str]] = {
    "crash_pretraining": crash_pretraining,
    "crash_transfer": crash_transfer,
    "crash_edge": crash_edge,
}


def fill(text: str) -> str:
    """The page with every table made anew."""
    return MARK.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def read(name: str) -> list[Row]:
    with (HERE / "results" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def spread(values: Sequence[float], form: str) -> str:
    """Mean and standard deviation over seeds."""
    return f"{mean(values):{form}} ± {stdev(values):{form}}" if len(values) > 1 else ""


def interval(row: Row) -> str:
    """A ratio and its 95 % interval."""
    middle, low, high = (float(row[name]) for name in ("times_ours", "ci_low", "ci_high"))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
