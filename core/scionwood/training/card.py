"""The run's card: README.md, with the metadata of a model card of the Hugging Face hub."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from huggingface_hub import EvalResult, ModelCardData

from scionwood.adapters import Report
from scionwood.adapters.save import MANIFEST
from scionwood.recipes.recipe import Recipe
from scionwood.recipes.recipe_keys import BASELINES
from scionwood.runs.layout import ADAPTER, HEAD
from scionwood_sandbox.files import atomic_path

_ON_HUB = re.compile(r"(?:hf\.co/|hf-hub:|^)([A-Za-z0-9][\w.-]*/[\w.-]+)(?=[@,\s]|$)")
_SPDX = re.compile(
    r"(apache-2\.0|mit|bsd-[23]-clause|cc0-1\.0|cc-by(?:-nc)?(?:-sa|-nd)?-4\.0|mpl-2\.0"
    r"|(?:a|l)?gpl-[23](?:\.[01])?)(?![\w.-])",
    re.I,
)
_METRICS = 16  # the most rows of the card's table


@final
@dataclass(frozen=True)
class Card:
    """The content of a run's card and report.

    Attributes:
        recipe: the recipe of the run.
        base: the facts that the backbone states: architecture, weights, licence, source, limits.
        counts: how many parameters train.
        step: the optimiser steps behind the exported weights.
        monitor: the logged value that chose them, such as `val_loss`.
        mode: whether that value should be small or large: `min` or `max`.
        rows: the rows of metrics.csv.
        figures: names of the images in `figures/`.
        weights: what is exported if it is an average: "the moving average of the weights ...".
    """

    recipe: Recipe
    base: Mapping[str, str]
    counts: Report
    step: int
    monitor: str
    mode: str
    rows: Sequence[Mapping[str, str]]
    figures: Sequence[str]
    weights: str = ""

    @property
    def steps(self) -> int:
        """The optimiser steps of the whole run."""
        return max([self.step, *(int(row["step"]) for row in self.rows)])

    @property
    def method(self) -> str:
        """The name of the method without its plugin, `lora`."""
        return self.recipe.adapter.name.rpartition("/")[2]

    @property
    def has_adapter(self) -> bool:
        """Whether the run has an adapter; a baseline has none."""
        return self.recipe.adapter.name not in BASELINES

    def metrics(self) -> dict[str, float]:
        """Return the validation of the exported weights, the monitored value first.

        It is empty if there was no validation.
        """
        rows = [row for row in self.rows if int(row["step"]) == self.step]
        values = {k: float(v) for row in rows for k, v in row.items() if k.startswith("val_")}
        first = {k: v for k, v in values.items() if k == self.monitor}
        return {**first, **values}

    def warnings(self) -> list[str]:
        """Return what a reader must know before the numbers: no validation, values not finite."""
        values = self.metrics()
        if not values:
            what = f"They are {self.weights}." if self.weights else ""
            return [
                f"Nothing was validated. The weights are those of the last step. {what}".strip()
            ]
        odd = [name for name, value in values.items() if not math.isfinite(value)]
        return [f"Not a finite number: {', '.join(odd)}."] if odd else []


def write_card(folder: Path, card: Card) -> None:
    """Write README.md into a run folder whose adapter is there already."""
    text = "\n\n".join([f"---\n{metadata(folder, card)}\n---", *_text(folder, card)])
    with atomic_path(folder / "README.md") as part:
        part.write_text(text + "\n", encoding="utf-8")


def metadata(folder: Path, card: Card) -> str:
    """Return the metadata of a model card as YAML: base, licence, tags and `model-index`."""
    recipe, base = card.recipe, base_on_hub(card)
    relation = "adapter" if card.has_adapter else "finetune"
    sha256 = base_hash(folder)
    tags = ["scionwood", f"scionwood:{recipe.task.name.partition('/')[0]}", card.method]
    data = ModelCardData(
        library_name="peft" if card.has_adapter else "scionwood",
        base_model=base or None,
        base_model_relation=relation if base else None,
        **_licence(card.base.get("licence", "")),
        tags=[*tags, *([f"base_sha256:{sha256}"] if sha256 else [])],
        model_name=recipe.name,
        eval_results=_results(card) or None,
    )
    return str(data.to_yaml())


def base_on_hub(card: Card) -> str:
    """Return `owner/name` of the base on the Hugging Face hub; empty if it is not from there."""
    sources = [card.base.get("hub_id", ""), card.base.get("weights", "")]
    options = card.recipe.backbone.options
    sources += [str(options.get("hub_id") or "")]
    sources += [str(v) for v in options.values() if str(v).startswith("hf-hub:")]
    return next((match[1] for text in sources if (match := _ON_HUB.search(text))), "")


def base_hash(folder: Path) -> str:
    """Return the SHA-256 of the base's weights; empty for a baseline without an adapter."""
    path = folder / ADAPTER / MANIFEST
    if not path.is_file():
        return ""
    return str(json.loads(path.read_text(encoding="utf-8"))["base"]["sha256"])


def number(value: float) -> str:
    """Return a number with four significant digits."""
    return f"{value:.4g}" if math.isfinite(value) else "not a number"


def summary(card: Card) -> str:
    """Return one sentence: what was trained on what for what."""
    recipe = card.recipe
    subject = {"frozen": "The head alone", "full": "All weights"}.get(card.method)
    what = f"{subject} of" if subject else f"A {card.method} adapter on"
    return f"{what} `{recipe.backbone.name}`, trained for the task `{recipe.task.name}`."


def measured(card: Card) -> str:
    """Return the sentence that says how far the numbers can be trusted."""
    recipe = card.recipe
    how = f"the best by {card.monitor}" if card.metrics() else "the last"
    tested = (
        f"Measured once, on the validation split of `{recipe.data.name}`. Nothing else was tested."
    )
    average = f" The exported weights are {card.weights}." if card.weights else ""
    return (
        f"Trained with seed {recipe.seed} for {card.steps} steps; exported: step {card.step}, "
        f"{how}.{average} {tested if card.metrics() else 'Nothing was measured.'}"
    )


def licences(card: Card) -> str:
    """Return what is known of the licences of base and adapter."""
    licence = card.base.get("licence", "")
    sentence = f"The base: {licence}." if licence else "The backbone states no licence."
    return f"{sentence} Its conditions also apply to what is trained on it."


def _licence(text: str) -> dict[str, Any]:
    """Return the fields of the metadata; none if the text names no licence."""
    if match := _SPDX.match(text):
        return {"license": match[1].lower()}
    if licence := re.match(r"(.+?) \((https://[^\s()]+)\)", text):
        name = re.sub(r"[^a-z0-9.]+", "-", licence[1].lower())
        return {"license": "other", "license_name": name, "license_link": licence[2]}
    return {}


def _results(card: Card) -> list[EvalResult]:
    recipe = card.recipe
    return [
        EvalResult(
            task_type=recipe.task.name,
            dataset_type=recipe.data.name.replace("/", "-"),  # no name of a dataset on the hub
            dataset_name=recipe.data.name,
            dataset_split="validation",
            metric_type=name.removeprefix("val_"),
            metric_name=name,
            metric_value=float(f"{value:.6g}"),
        )
        for name, value in card.metrics().items()
        if math.isfinite(value)
    ]


def _text(folder: Path, card: Card) -> list[str]:
    lines = "\n".join(f"- {name}: {text}" for name, text in facts(folder, card).items())
    return [
        f"# {card.recipe.name}",
        summary(card),
        *(f"**{warning}**" for warning in card.warnings()),
        "## Results",
        *_table(card),
        measured(card),
        "## Use",
        *_use(card),
        "## Facts",
        lines,
    ]


def facts(folder: Path, card: Card) -> dict[str, str]:
    """Return what is known of base, sizes, data and licence, by name."""
    counts, sha256 = card.counts, base_hash(folder)
    entries = {
        "base": f"`{card.recipe.backbone.name}`",
        **{k: v for k, v in card.base.items() if k not in ("licence", "limits")},
        "SHA-256 of the base": f"`{sha256}`" if sha256 else "",
        "size": f"{counts.base:,} parameters of the base, {counts.trainable_adapter:,} of the "
        f"adapter, {counts.trainable_head:,} of the head; {counts.share:.2%} train",
        "data": f"`{card.recipe.data.name}`; its options are in `recipe.yaml`",
        "limits": card.base.get("limits", ""),
        "licence": licences(card),
    }
    return {name: text for name, text in entries.items() if text}


def _table(card: Card) -> list[str]:
    better = "lower" if card.mode == "min" else "higher"
    notes = {card.monitor: f" (chose the step; {better} is better)"}
    metrics = list(card.metrics().items())[:_METRICS]
    rows = [f"| {name}{notes.get(name, '')} | {number(value)} |" for name, value in metrics]
    return ["\n".join(["| validation | value |", "| --- | ---: |", *rows])] if rows else []


def _use(card: Card) -> list[str]:
    return [
        "```python\nimport scionwood\n\ntask = scionwood.load_run(FOLDER)  # this folder\n```",
        "`scionwood test FOLDER` measures the test split. `recipe.yaml` repeats the training.",
        *([peft_alone(card)] if card.has_adapter else []),
    ]


def peft_alone(card: Card) -> str:
    """Return what plain peft makes of the run's adapter."""
    opens = "Plain peft opens the adapter: `PeftModel.from_pretrained(base, FOLDER)`, with the "
    opens += "folder of `adapter_config.json`."
    if not card.counts.trainable_head:
        return opens
    return (
        f"{opens} It does not load the head (`{HEAD}`, {card.counts.trainable_head:,} "
        "parameters), so that **its output differs** from that of the run."
    )
