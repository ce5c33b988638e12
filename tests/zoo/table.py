"""The table of docs/zoo.md."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from catalogue import Entry
from walk import Trail

PAGE = Path(__file__).parents[2] / "docs" / "zoo.md"
BEGIN, END = "<!-- the table: make test-zoo -->", "<!-- end of the table -->"
HEADER = ("model", "targets", "Scionwood", "its file in peft", "peft", "why not")
LONGEST = 150


class Row(NamedTuple):
    """One line of the table."""

    model: str
    targets: str
    ours: str
    opened: str
    peft: str
    why: str


PLAIN = (
    (r".*SCIONWOOD_LORA.*", "peft refuses it, as it has no form of such a layer"),
    (r".*groups=(\d+) and rank (\d+).*", r"rank \2 is not divisible by the \1 groups of a layer"),
    (r".*Target module Linear\(.*", "no form for the Linear of torch_geometric"),
    (r".*Target module (\w+)\(.*", r"no form for \1"),
    (r"(.*) by (\S+) of its largest value", r"\1 (\2 of its largest value)"),
)
"""Reasons in plain words, by the text of the error."""


def row(entry: Entry, trails: Mapping[str, Mapping[str, Trail]]) -> Row:
    """Return the line of one model."""
    ours, opened, peft = (trails[k][entry.name] for k in ("scionwood", "opened", "peft"))
    if "attach" in ours.failures or "step" in ours.failures:
        opened = Trail()
    named = (("Scionwood", ours), ("its file in peft", opened), ("peft", peft))
    why = "; ".join(f"{who}: {reason(trail)}" for who, trail in named if trail.failures)
    targets = entry.targets if entry.targets == "all-linear" else f"`{entry.targets}`"
    if "target_parameters" in entry.options:
        targets += ", experts"
    return Row(
        entry.name,
        targets.replace("|", "\\|"),
        verdict(ours),
        "-"
        if {"attach", "step", "save"} & set(ours.failures)
        else verdict(opened).partition(":")[0],
        verdict(peft),
        why.replace("|", "\\|"),
    )


def verdict(trail: Trail) -> str:
    """Return `yes`, or the stages that failed; without an adapter no later stage is named."""
    stages = list(trail.failures)
    for end in ("attach", "step"):
        if end in stages:
            return f"no: {end}"
    return f"no: {', '.join(stages)}" if stages else "yes"


def reason(trail: Trail) -> str:
    """Return why the first failed stage failed, on one line."""
    text = re.sub(r"\s+", " ", next(iter(trail.failures.values())))
    for pattern, plain in PLAIN:
        if re.fullmatch(pattern, text):
            text = re.sub(pattern, plain, text)
            break
    text = text if len(text) <= LONGEST else f"{text[:LONGEST].rsplit(' ', 1)[0]} ..."
    return "; ".join([text, *trail.notes])


def render(rows: Sequence[Row]) -> str:
    """Return the table in Markdown."""
    lines = [HEADER, ("---",) * len(HEADER), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def versions() -> str:
    """Return the versions that the table was made with."""
    named = ("torch", "peft", "transformers", "timm", "torch-geometric", "neuraloperator", "monai")
    shown = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in named)
    return f"With {shown}."


def write(rows: Sequence[Row], count: int) -> int:
    """Put the table on the page; refuses to leave a model out."""
    if len(rows) < count:
        print(f"{len(rows)} of {count} models ran: install the zoo extra", file=sys.stderr)
        return 1
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = f"{BEGIN}\n{render(rows)}\n\n{versions()}\n{END}"
    PAGE.write_text(f"{before}{text}{after}", encoding="utf-8")
    return 0


def check(rows: Sequence[Row], names: set[str]) -> int:
    """Compare the verdicts with those on the page; reasons may differ between versions of peft.

    Args:
        rows: What ran now.
        names: All models of the zoo; the page may name no other.

    Returns:
        The exit code: 0 if everything agrees.
    """
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    committed = {line.split(" | ")[0].lstrip("| "): line for line in lines}
    wrong = len(set(committed) - names)
    for each in rows:
        line = committed.get(each.model, "")
        if _verdicts(line) != (each.ours, each.opened, each.peft):
            wrong += 1
            print(*difflib.ndiff([line], [render([each]).splitlines()[-1]]), sep="\n")
    return min(wrong, 1)


def _verdicts(line: str) -> tuple[str, ...]:
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
    return tuple(cells[3:6])
