"""Train on a tenth of the data: chosen by the strong heads, by the loss, or by chance, and on all.

    pip install -e . -e core/sandbox -e 'plugins/language[language-demo]' -e plugins/methods
    pip install -e plugins/seismic -e plugins/bangla
    python benchmarks/selection.py                    # about 15 minutes on one idle core
    python benchmarks/selection.py --fields seismic --seeds 0

Every rule gives a list for `data.subset`, and the same recipe then trains for the same number of
steps from the same start. The data and the test split are the same for all seeds; a seed changes
the random examples, the short run that finds the strong heads, and the training.

The rates are those of the recipes. Nothing is tuned; sizes and steps of Bangla and SmolLM2 were cut
for time before two rules had been compared. Each row is written when it is done, and
rows that exist are kept.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from shutil import rmtree
from typing import Any

from language import items
from language_parts import MODEL
from runner import SEEDS, Table, option, parsed

from scionwood import fit, override, resolve, test
from scionwood_methods import ProxyRun, select_examples

RULES = ("all", "random", "heads", "highest-loss", "lowest-loss")
BUDGET = 0.1
QUIET = {
    "trainer.accelerator": "cpu",
    "trainer.logger": False,
    "trainer.enable_progress_bar": False,
    "trainer.limit_val_batches": 0,
    "trainer.max_epochs": -1,
}


@dataclass(frozen=True)
class Field:
    """One field: its recipe with changes, its score, and the optimiser steps.

    Attributes:
        recipe: the name of the recipe.
        changes: keys of the recipe with other values.
        score: the logged value of the test split.
        higher: whether rules are compared by the score, where larger is better. If false, they are
            compared by the loss; after so few steps the share of right Bangla levels is noise.
        steps: of every training.
    """

    recipe: str
    changes: dict[str, Any]
    score: str
    higher: bool
    steps: int


FIELDS = {
    "seismic": Field(
        "seismic/denoise",
        {"data.n_traces": 64, "data.n_samples": 64, "data.n_train": 800, "data.n_test": 100},
        "snr",
        True,
        100,
    ),
    "bangla": Field(
        "bangla/register_tiny",
        {
            "data.n_train": 400,
            "data.n_test": 60,
            "data.packing": False,
            "data.batch_size": 16,
            "task.max_new_tokens": 40,
        },
        "register_match",
        False,
        60,
    ),
    "SmolLM2": Field(
        "language/sft",
        {
            "data.packing": False,
            "data.val_share": 0.05,
            "data.test_share": 0.3,
            "task.max_new_tokens": 0,
            "task.warmup_steps": 3,
            "adapter": {
                "name": "lora",
                "r": 8,
                "lora_alpha": 16,
                "targets": r"model\.layers\.2\d\.self_attn\.[qkvo]_proj",
            },
            "trainer.precision": "bf16-mixed",
        },
        "loss",
        False,
        16,
    ),
}
QUESTIONS = 360
"""Functions of the standard library that SmolLM2 learns to name, with those of the test."""
PROXY = ProxyRun(examples=80, steps=20)


def prepared(name: str, work: Path, model: str) -> dict[str, Any]:
    """Return the changes of a field's recipe; the data of SmolLM2 become a file.

    Args:
        name: the field.
        work: the folder of that file.
        model: `smollm2`, or a folder with its weights, which loads faster.
    """
    field = FIELDS[name]
    changes = {**QUIET, **field.changes, "trainer.max_steps": field.steps}
    if name != "SmolLM2":
        return changes
    source = work / "functions.jsonl"
    chosen = Random(0).sample(items(), QUESTIONS)
    lines = [
        {
            "prompt": f"Which function of Python's standard library does this? {item.asked}",
            "completion": item.answer,
            "topic": item.answer.rpartition(".")[2],
        }
        for item in chosen
    ]
    source.write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    return changes | {
        "data.source": str(source),
        "backbone.model": model,
        "data.tokenizer": model,
    }


def subset(rule: str, recipe: Any, folder: Path) -> str | None:
    """Return the folder of the chosen examples; None means all."""
    if rule == "all":
        return None
    target = folder / ("random" if rule == "random" else "measured")
    select_examples(recipe, target, budget=BUDGET, by=rule, proxy=PROXY, resume=True)  # type: ignore[arg-type]
    return str(target)


def measured(name: str, seed: int, rule: str, changes: dict[str, Any], folder: Path) -> Any:
    """Choose, train and test."""
    field, begun = FIELDS[name], time.perf_counter()
    recipe = resolve(field.recipe, {**changes, "seed": seed})
    chosen = subset(rule, recipe, folder)
    run_folder = folder / f"run-{rule}"
    rmtree(run_folder, ignore_errors=True)  # of a run that was interrupted
    run = fit(override(recipe, {"data.subset": chosen}), run_dir=run_folder)
    scores = test(run)
    count = json.loads((Path(chosen) / "select.json").read_text())["chosen"] if chosen else "all"
    return {
        "field": name,
        "seed": seed,
        "rule": rule,
        "examples": count,
        "steps": field.steps,
        "score": field.score,
        "value": f"{scores[f'test_{field.score}']:.4f}",
        "loss": f"{scores['test_loss']:.4f}",
        "s": f"{time.perf_counter() - begun:.0f}",
    }


def main() -> None:
    """Measure what is missing, chance first, and say where chance wins."""
    options = parsed(
        __doc__,
        option("--fields", nargs="+", default=[*FIELDS], choices=[*FIELDS]),
        option("--rules", nargs="+", default=[*RULES], choices=RULES),
        SEEDS,
        option("--work", type=Path, default=Path("runs/selection")),
        MODEL,
    )
    logging.getLogger("scionwood").setLevel(logging.ERROR)
    table = Table("selection")
    jobs = [
        {"field": name, "seed": seed, "rule": rule}
        for by_loss in (False, True)
        for seed, name, rule in product(options.seeds, options.fields, options.rules)
        if ("loss" in rule) == by_loss
    ]
    for job in table.missing(jobs):
        changes = prepared(job["field"], options.work, options.model)
        folder = options.work / f"{job['field']}-{job['seed']}"
        table.add(measured(job["field"], job["seed"], job["rule"], changes, folder))
    print(verdict(table.rows))


def verdict(rows: Sequence[dict[str, str]]) -> str:
    """Return for each field and seed whether the strong heads or chance chose better."""
    lines = []
    for name, field in FIELDS.items():
        column, sign = ("value", 1) if field.higher else ("loss", -1)
        of = {
            (row["seed"], row["rule"]): sign * float(row[column])
            for row in rows
            if row["field"] == name
        }
        seeds = [seed for seed, rule in of if rule == "heads" and (seed, "random") in of]
        wins = sum(of[seed, "random"] > of[seed, "heads"] for seed in seeds)
        lines.append(f"{name}: random wins {wins} of {len(seeds)} seeds")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
