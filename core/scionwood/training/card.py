"""The run's card (README.md) and its report (report.html, one file without outside links)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from scionwood.adapters.save import MANIFEST
from scionwood.files import atomic_path
from scionwood.recipe import Recipe
from scionwood.training.folder import ADAPTER

LIMITS = "Measured on the validation split of the data above, with one seed; nothing else is known."


@dataclass(frozen=True)
class Card:
    """What a card says.

    Attributes:
        recipe: of the run.
        base: what the backbone says of itself: architecture, weights, licence, source, limits.
        counts: how much trains, with the denominator.
        step: the optimiser steps behind the exported weights.
        goal: what chose them, "val_loss, min".
        rows: of metrics.csv.
        figures: names of the pictures in `figures/`.
    """

    recipe: Recipe
    base: Mapping[str, str]
    counts: str
    step: int
    goal: str
    rows: Sequence[Mapping[str, str]]
    figures: Sequence[str]

    def metrics(self) -> dict[str, float]:
        """The validation of the exported weights; empty where there was none."""
        found = [row for row in self.rows if int(row["step"]) == self.step]
        return {k: float(v) for row in found for k, v in row.items() if k.startswith("val_")}


def write_card(folder: Path, card: Card) -> None:
    """Write README.md and report.html."""
    sections = _sections(folder, card)
    text = [f"# {card.recipe.name}", *(f"## {title}\n\n{body}" for title, body in sections.items())]
    pictures = {name: (folder / "figures" / f"{name}.png").read_bytes() for name in card.figures}
    with atomic_path(folder / "README.md") as part:
        part.write_text("\n\n".join(text) + "\n", encoding="utf-8")
    with atomic_path(folder / "report.html") as part:
        part.write_text(_html(card.recipe.name, sections, pictures), encoding="utf-8")


def _sections(folder: Path, card: Card) -> dict[str, str]:
    recipe, base = card.recipe, card.base
    known = {key: value for key, value in base.items() if key not in ("licence", "limits")}
    return {
        "What it is": f"{recipe.adapter.name} on {recipe.backbone.name} for {recipe.task.name}, "
        f"seed {recipe.seed}, exported after step {card.step} (chosen by {card.goal}).",
        "Base": _bullets({**known, "SHA-256 of the base's weights": _base_hash(folder)}),
        "Data": _bullets({"name": recipe.data.name, **recipe.data.options}),
        "Metric": _bullets({k: f"{v:.6g}" for k, v in card.metrics().items()})
        or "Nothing was validated.",
        "Size": card.counts,
        "Limits": base.get("limits", LIMITS),
        "Licence": base.get("licence", "The backbone states none."),
        "Use": f"`scionwood test {folder.name}`, or `scionwood.load_run(path)` in Python. "
        "`adapter/` is a plain peft folder; `recipe.yaml` repeats the run.",
    }


def _base_hash(folder: Path) -> str:
    path = folder / ADAPTER / MANIFEST
    if not path.is_file():
        return "none: a baseline without adapter"
    return str(json.loads(path.read_text(encoding="utf-8"))["base"]["sha256"])


def _bullets(values: Mapping[str, object]) -> str:
    return "\n".join(f"- {key}: {value}" for key, value in values.items())


def _html(title: str, sections: Mapping[str, str], pictures: Mapping[str, bytes]) -> str:
    parts = [f"<h2>{escape(k)}</h2><pre>{escape(v)}</pre>" for k, v in sections.items()]
    for name, png in pictures.items():
        data = base64.b64encode(png).decode()
        image = f'<img alt="{escape(name)}" src="data:image/png;base64,{data}">'
        parts.append(f"<figure>{image}<figcaption>{escape(name)}</figcaption></figure>")
    style = "body{font:16px sans-serif;max-width:60em;margin:2em auto}pre{white-space:pre-wrap}"
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{style}</style>'
    body = f"<h1>{escape(title)}</h1>{''.join(parts)}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'
