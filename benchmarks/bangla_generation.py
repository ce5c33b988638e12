"""Compare adapters on a tiny Bangla model with prompting its base.

    python benchmarks/bangla_generation.py    # half an hour on one core

The recipes `bangla/register_tiny` and `bangla/dpo_register` run with seeds 0, 1 and 2, which also
seed the data, the shots and the samples. Each run and its base answer three sets of requests: the
90 hand-written prompts used during development, the 60 written later, and generated requests about
pairs of verb and tense that training never shows. The base is prompted in three ways: alone, with
three examples, and with the level in the prompt. The results are
benchmarks/results/bangla_generation.csv and docs/results/bangla_generations.md.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import torch
from lora.timing import Row, machine

from scionwood import atomic_path, fit, resolve
from scionwood_bangla.evaluation.baselines import METHODS, draw_shots, training_examples
from scionwood_bangla.evaluation.compare import Evaluation, Plan, compare, handwritten, held_out
from scionwood_bangla.evaluation.report import answers_table
from scionwood_bangla.generator.make import examples
from scionwood_bangla.inference import Decoding, Writer
from scionwood_bangla.lexicon import LEVELS

RESULTS = Path(__file__).parent / "results" / "bangla_generation.csv"
PAGE = Path(__file__).parents[1] / "docs" / "results" / "bangla_generations.md"
TOKENS = 120
RECIPES = {"bangla/register_tiny": list(METHODS), "bangla/dpo_register": ["zero_shot", "adapter"]}
"""The methods that are measured for each recipe."""

GROUPS = ("all", *LEVELS, "plain", "hard")
MEASURES = (
    *("register_match", "good", "relevant", "fluent", "fresh"),
    *("over_formal", "agreement", "ended", "bleu", "chrf", "rouge_l", "wer"),
)
COLUMNS = [("zero_shot", "greedy"), ("adapter", "greedy")]
HEAD = """# Bangla: answers before and after training

`python benchmarks/bangla_generation.py` writes this page. The model is the tiny model of the Bangla
plugin (`language/causal_lm`, 1.3 million parameters). The recipe is `bangla/register_tiny` with
seed 0, and decoding is greedy. The requests were drawn by seed {seed}, not selected by hand.

✓ marks an answer that addresses somebody, without a fault, only at accepted levels. ✗ marks any
other answer. … marks an answer that was cut off after {tokens} tokens. The content rarely fits the
request: in a few minutes of training on generated texts, so small a model learns the level of
address and little else.
"""
TITLES = {
    "handwritten": "Hand-written prompts, test half",
    "handwritten_dev": "Hand-written prompts, development half",
    "handwritten_inferred": "Hand-written prompts whose level must be inferred",
    "unseen_verb_tense": "Generated requests with unseen pairs of verb and tense",
}


def measure(
    recipe: str, seed: int, methods: list[str], unseen: int, work: Path
) -> tuple[Evaluation, Row]:
    """Train a run, unless the work folder has it, and measure the answers of run and base."""
    run = work / f"{recipe.partition('/')[2]}-{seed}"
    quiet = ["trainer.logger=false", "trainer.accelerator=cpu"]
    start = time.process_time()
    if not (run / "adapter").is_dir():
        fit(resolve(recipe, [f"seed={seed}", f"data.seed={seed}", *quiet]), run_dir=run)
        (run / "cpu_seconds").write_text(f"{time.process_time() - start:.1f}")
    weights = run / "adapter" / "adapter_model.safetensors"
    facts: Row = {"adapter_bytes": weights.stat().st_size}
    if (run / "cpu_seconds").is_file():
        facts["cpu_seconds"] = (run / "cpu_seconds").read_text()
    decodings = [Decoding(kind, max_new_tokens=TOKENS, seed=seed) for kind in (False, True)]
    plan = Plan(methods, decodings, draw_shots(training_examples(run), 3, seed), seed)
    requests = examples(unseen, seed=1000 + seed, which="unseen")
    suites = [handwritten(half) for half in ("test", "dev", "inferred")]
    suites.append(held_out(requests, "unseen_verb_tense"))
    return compare(Writer.of_run(run), suites, plan), facts


def rows_of(recipe: str, seed: int, evaluation: Evaluation, facts: Row) -> list[Row]:
    """Return the measures that the CSV keeps, as rows."""
    key = {"recipe": recipe, "seed": seed}
    rows: list[Row] = [
        key | row
        for row in evaluation.rows
        if row["group"] in GROUPS and row["measure"] in MEASURES and row["value"] == row["value"]
    ]
    return rows + [key | {"measure": name, "value": value} for name, value in facts.items()]


def write_page(evaluation: Evaluation, seed: int, count: int) -> None:
    """Write requests drawn by a seed with the answers before and after, for each suite."""
    parts = [HEAD.format(seed=seed, tokens=TOKENS)]
    for suite in evaluation.suites:
        header, rows = answers_table(evaluation, suite, COLUMNS, count, seed)
        header = [*header[:2], "before", "after"]
        lines = [header, ["---"] * 4, *rows]
        cells = [[cell.replace("\n", "<br>").replace("|", "\\|") for cell in row] for row in lines]
        parts += [f"## {TITLES[suite]}\n", *(f"| {' | '.join(c)} |" for c in cells), ""]
    with atomic_path(PAGE) as part:
        part.write_text("\n".join(parts), encoding="utf-8")


def write(rows: list[Row], path: Path) -> None:
    """Write the CSV. Rows of recipes that were not measured stay."""
    measured = {row["recipe"] for row in rows}
    with_what = machine("cpu") | {name: version(name) for name in ("transformers", "sacrebleu")}
    rows = [row | with_what for row in rows]
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows += [dict(row) for row in csv.DictReader(file) if row["recipe"] not in measured]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows:
            shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()}
            writer.writerow({k: "" if v == "nan" else v for k, v in shown.items()})


def main() -> None:
    """Measure, print and write all results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--unseen", type=int, default=150)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--work", type=Path, help="a folder for the runs; finished runs are reused")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        rows = measure_all(options.recipes, options.seeds, options.unseen, work)
    write(rows, options.out)


def measure_all(recipes: list[str], seeds: int, unseen: int, work: Path) -> list[Row]:
    """Measure every recipe with every seed."""
    rows: list[Row] = []
    for recipe in recipes:
        for seed in range(seeds):
            evaluation, facts = measure(recipe, seed, RECIPES[recipe], unseen, work)
            rows += rows_of(recipe, seed, evaluation, facts)
            if recipe == "bangla/register_tiny" and seed == 0:
                write_page(evaluation, seed, 12)
            print(recipe, seed, facts, flush=True)
            for row in rows:
                key = (row["seed"], row["recipe"], row.get("group"), row["measure"])
                if key == (seed, recipe, "all", "register_match"):
                    print(
                        "", *(row[k] for k in ("suite", "method", "decoding", "value")), flush=True
                    )
    return rows


if __name__ == "__main__":
    main()
