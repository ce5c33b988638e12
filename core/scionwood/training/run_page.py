"""The run's report: report.html, a page that needs no other file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scionwood.files.pages import Figure, Number, Numbers, Page, Part, Section, Table, render
from scionwood.training.card import (
    Card,
    facts,
    measured,
    number,
    peft_alone,
    summary,
)
from scionwood.training.figures import metrics_figure, points, svg
from scionwood_sandbox.files import atomic_path

CURVES = "metrics"
"""The name of the image of the curves in `figures/`."""


def write_report(folder: Path, card: Card) -> None:
    """Write report.html into a run folder whose figures are there already."""
    images = {name: (folder / "figures" / f"{name}.png").read_bytes() for name in card.figures}
    images.pop(CURVES, None)
    others = [_figure_item(card, name, png) for name, png in list(images.items())[1:]]
    options = {key: _text_of(value) for key, value in card.recipe.data.options.items()}
    fact_texts = {name: _plain(text) for name, text in facts(folder, card).items()}
    page = Page(
        card.recipe.name,
        [
            _plain(summary(card)),
            numbers(card),
            *_lead(card, images),
            *_curves(card, lead=not images),
            *([Section("Figures", others)] if others else []),
            Section("Data", [{"name": card.recipe.data.name, **options}]),
            Section("Facts", [fact_texts, _plain(measured(card))]),
            Section("Use", _use(folder, card)),
        ],
        warning=" ".join(card.warnings()),
        dated=False,
    )
    with atomic_path(folder / "report.html") as part:
        part.write_text(render(page), encoding="utf-8")


def numbers(card: Card) -> Numbers:
    """Return the five numbers of the first screen: score, trained share, steps, seed and base."""
    counts, recipe = card.counts, card.recipe
    better = "lower" if card.mode == "min" else "higher"
    score = card.metrics().get(card.monitor)
    trained = counts.trainable_adapter + counts.trainable_head
    weights = card.base.get("weights", "weights not stated").partition(" (")[0]
    return Numbers(
        [
            Number(
                card.monitor.replace("val_", "validation ").replace("_", " "),
                "not measured" if score is None else number(score),
                "no validation" if score is None else f"{card.monitor}; {better} is better",
            ),
            Number("trained parameters", f"{trained:,}", f"{counts.share:.2%} of {counts.total:,}"),
            Number("steps", f"{card.steps:,}", f"exported: step {card.step:,}"),
            Number("seed", str(recipe.seed), "one run"),
            Number("base", recipe.backbone.name.rpartition("/")[2], f"weights: {weights}"),
        ]
    )


def _lead(card: Card, images: Mapping[str, bytes]) -> list[Part]:
    """Return the figure of the first screen: the first one of the task, else the curves."""
    if not images:
        return [_curve(card, lead=True)]
    name = next(iter(images))
    return [_figure_item(card, name, images[name], lead=True)]


def _figure_item(card: Card, name: str, png: bytes, *, lead: bool = False) -> Figure:
    caption = f"{name.replace('_', ' ')}, validation split"
    alternative = f"{caption}: drawn by the task {card.recipe.task.name} after training"
    return Figure(caption[:1].upper() + caption[1:], png, alternative=alternative, lead=lead)


def _curves(card: Card, *, lead: bool) -> list[Part]:
    """Return the curves, unless they are the figure of the first screen, and the validations."""
    parts: list[Part] = [] if lead else [_curve(card)]
    parts += [_validations(card)] if card.metrics() else []
    return [Section("Validation" if lead else "Curves", parts)] if parts else []


def _curve(card: Card, *, lead: bool = False) -> Figure:
    light = svg(metrics_figure(card.rows, card.step))
    dark = svg(metrics_figure(card.rows, card.step, dark=True))
    texts = []
    for name, kind in (("train_loss", "training"), ("val_loss", "validation")):
        if line := points(card.rows, name):
            (first, high), (last, low) = line[0], line[-1]
            texts.append(
                f"{kind} loss {number(high)} at step {first}, {number(low)} at step {last}"
            )
    alternative = "; ".join(texts) or "no loss was logged"
    caption = "Loss over the optimiser steps"
    return Figure(caption, light, alternative, dark, lead)


def _validations(card: Card) -> Table:
    """Return the validations: the first, that of the exported weights and the last."""
    steps = sorted({int(row["step"]) for row in card.rows if card.monitor in row})
    chosen = sorted({*steps[:1], card.step, *steps[-1:]})
    at = {
        step: {k: v for row in card.rows if int(row["step"]) == step for k, v in row.items()}
        for step in chosen
    }
    head = ["validation", *(f"step {s}" + (", exported" if s == card.step else "") for s in chosen)]
    rows = [
        [name, *(number(float(at[step].get(name, "nan"))) for step in chosen)]
        for name in card.metrics()
    ]
    return Table(head, rows, f"{card.monitor} chose the exported step.")


def _text_of(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text_of, value)) or "none"
    return "not set" if value is None else str(value)


def _use(folder: Path, card: Card) -> list[Part]:
    alone = [_plain(peft_alone(card))] if card.has_adapter else []
    return [
        {
            "in Python": f'scionwood.load_run("{folder.name}")',
            "test split": f"scionwood test {folder.name}",
            "the same training": "scionwood fit recipe.yaml",
        },
        *alone,
    ]


def _plain(text: str) -> str:
    return text.replace("`", "").replace("**", "")
