"""The run's card (README.md) and its report (report.html, a page that needs no other file)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

from scionwood.adapters.save import MANIFEST
from scionwood.files import atomic_path
from scionwood.pages import Figure, Page, Section, render
from scionwood.recipe import Recipe
from scionwood.runs.layout import ADAPTER

LIMITS = (
    "Measured with one seed on the validation split of the data above. Nothing else was tested."
)

Body: TypeAlias = str | Mapping[str, str]
"""A paragraph, or terms and their values."""


@final
@dataclass(frozen=True)
class Card:
    """The content of a run's card.

    Attributes:
        recipe: the recipe of the run.
        base: the facts that the backbone states: architecture, weights, licence, source, limits.
        counts: how many parameters train, with the total.
        step: the optimiser steps behind the exported weights.
        goal: the logged value that chose them, "val_loss, min".
        rows: the rows of metrics.csv.
        figures: names of the images in `figures/`.
    """

    recipe: Recipe
    base: Mapping[str, str]
    counts: str
    step: int
    goal: str
    rows: Sequence[Mapping[str, str]]
    figures: Sequence[str]

    def metrics(self) -> dict[str, float]:
        """Return the validation of the exported weights; empty if there was no validation."""
        rows = [row for row in self.rows if int(row["step"]) == self.step]
        return {k: float(v) for row in rows for k, v in row.items() if k.startswith("val_")}


def write_card(folder: Path, card: Card) -> None:
    """Write README.md and report.html into a run folder, whose figures are there already."""
    sections = _sections(folder, card)
    text = [f"# {card.recipe.name}", *(f"## {k}\n\n{_markdown(v)}" for k, v in sections.items())]
    images = {name: (folder / "figures" / f"{name}.png").read_bytes() for name in card.figures}
    parts = [Section(title, [body]) for title, body in sections.items()]
    figures = Section("Figures", [Figure(name, png) for name, png in images.items()])
    with atomic_path(folder / "README.md") as part:
        part.write_text("\n\n".join(text) + "\n", encoding="utf-8")
    with atomic_path(folder / "report.html") as part:
        page = Page(card.recipe.name, [*parts, figures], dated=False)
        part.write_text(render(page), encoding="utf-8")


def _sections(folder: Path, card: Card) -> dict[str, Body]:
    recipe, base = card.recipe, card.base
    facts = {key: value for key, value in base.items() if key not in ("licence", "limits")}
    options = {key: str(value) for key, value in recipe.data.options.items()}
    return {
        "What it is": f"{recipe.adapter.name} on {recipe.backbone.name} for {recipe.task.name}, "
        f"seed {recipe.seed}, exported after step {card.step} (chosen by {card.goal}).",
        "Base": {**facts, "SHA-256 of the base's weights": _base_hash(folder)},
        "Data": {"name": recipe.data.name, **options},
        "Metric": {k: f"{v:.6g}" for k, v in card.metrics().items()} or "Nothing was validated.",
        "Size": card.counts,
        "Limits": base.get("limits", LIMITS),
        "Licence": base.get("licence", "The backbone states no licence."),
        "Use": f"`scionwood test {folder.name}`, or `scionwood.load_run(path)` in Python. "
        "`adapter/` is a plain peft folder; `recipe.yaml` repeats the run.",
    }


def _base_hash(folder: Path) -> str:
    path = folder / ADAPTER / MANIFEST
    if not path.is_file():
        return "none, since the run is a baseline without an adapter"
    return str(json.loads(path.read_text(encoding="utf-8"))["base"]["sha256"])


def _markdown(body: Body) -> str:
    if isinstance(body, str):
        return body
    return "\n".join(f"- {key}: {value}" for key, value in body.items())
