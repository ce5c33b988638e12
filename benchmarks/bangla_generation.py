"""What a tiny Bangla model writes before and after LoRA, and when its base is only asked better.

    python benchmarks/bangla_generation.py

Recipe `bangla/register_tiny` with seeds 0, 1 and 2 (of the data, the adapter, the shots and the
samples), then `bangla/dpo_register` with the same ones. Each run answers the prompts written by
hand, 90 that were in sight while generator and recipes were made and 60 that were written after,
and requests about pairs of verb and tense that training never shows; its base answers them too,
asked as it stands, after three examples, and told the level. Writes
benchmarks/results/bangla_generation.csv and plugins/bangla/GENERATIONS.md, half an hour on one
core.
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
from scionwood_bangla.cli.sources import training_examples
from scionwood_bangla.evaluation.baselines import METHODS, draw_shots
from scionwood_bangla.evaluation.compare import Evaluation, Plan, evaluate, handwritten, held_out
from scionwood_bangla.evaluation.report import answers_table
from scionwood_bangla.generator.make import examples
from scionwood_bangla.inference import Decoding, Writer
from scionwood_bangla.lexicon import LEVELS

RESULTS = Path(__file__).parent / "results" / "bangla_generation.csv"
PAGE = Path(__file__).parents[1] / "plugins" / "bangla" / "GENERATIONS.md"
TOKENS = 120
ARMS = {"bangla/register_tiny": list(METHODS), "bangla/dpo_register": ["zero_shot", "adapter"]}
GROUPS = ("all", *LEVELS, "plain", "hard")
MEASURES = ("register_match", "over_formal", "agreement", "ended", "bleu", "chrf", "rouge_l", "wer")
COLUMNS = [("zero_shot", "greedy"), ("adapter", "greedy")]
HEAD = """# Generations before and after

Written by `python benchmarks/bangla_generation.py`: the tiny model of this package
(`bangla/causal_lm`, 1.3 M parameters) before and after recipe `bangla/register_tiny` with seed 0,
decoded greedily. The requests were drawn by seed {seed}, not chosen. ✓: the checker finds somebody
addressed, without a fault, at acceptable levels alone; …: cut off after {tokens} tokens. Contents
hardly ever fit what is asked: a model of this size, trained on made-up texts for minutes, learns
the level of address and little else.
"""


def measure(
    recipe: str, seed: int, methods: list[str], unseen: int, work: Path
) -> tuple[Evaluation, Row]:
    """Train, unless the work folder has that run already, and let run and base answer."""
    run = work / f"{recipe.partition('/')[2]}-{seed}"
    quiet = ["trainer.logger=false", "trainer.accelerator=cpu"]
    start = time.process_time()
    if not (run / "adapter").is_dir():
        fit(resolve(recipe, [f"seed={seed}", f"data.seed={seed}", *quiet]), run_dir=run)
        (run / "cpu_seconds").write_text(f"{time.process_time() - start:.1f}")
    kept = run / "adapter" / "adapter_model.safetensors"
    facts: Row = {"adapter_bytes": kept.stat().st_size}
    if (run / "cpu_seconds").is_file():
        facts["cpu_seconds"] = (run / "cpu_seconds").read_text()
    decodings = [Decoding(kind, max_new_tokens=TOKENS, seed=seed) for kind in (False, True)]
    plan = Plan(methods, decodings, draw_shots(training_examples(run), 3, seed), seed)
    asked = examples(unseen, seed=1000 + seed, which="unseen")
    suites = [handwritten(), handwritten("dev"), held_out(asked, "unseen_verb_tense")]
    return evaluate(Writer.of_run(run), suites, plan), facts


def rows_of(recipe: str, seed: int, found: Evaluation, facts: Row) -> list[Row]:
    """The measures that are kept, as rows of the CSV."""
    key = {"recipe": recipe, "seed": seed}
    rows: list[Row] = [
        key | row
        for row in found.rows
        if row["group"] in GROUPS and row["measure"] in MEASURES and row["value"] == row["value"]
    ]
    return rows + [key | {"measure": name, "value": value} for name, value in facts.items()]


def write_page(found: Evaluation, seed: int, count: int) -> None:
    """Requests drawn by a seed with both answers, for each suite."""
    parts = [HEAD.format(seed=seed, tokens=TOKENS)]
    for suite in found.suites:
        header, rows = answers_table(found, suite, COLUMNS, count, seed)
        header = [*header[:2], "before", "after"]
        lines = [header, ["---"] * 4, *rows]
        cells = [[cell.replace("\n", "<br>").replace("|", "\\|") for cell in row] for row in lines]
        parts += [f"## {suite.replace('_', ' ')}\n", *(f"| {' | '.join(c)} |" for c in cells), ""]
    with atomic_path(PAGE) as part:
        part.write_text("\n".join(parts), encoding="utf-8")


def write(rows: list[Row], path: Path) -> None:
    """Write the CSV whole or not at all; rows of recipes that were not measured stay."""
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
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--unseen", type=int, default=150)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--work", type=Path, help="keeps the runs; finished ones serve again")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        rows = measure_all(options.recipes, options.seeds, options.unseen, work)
    write(rows, options.out)


def measure_all(recipes: list[str], seeds: int, unseen: int, work: Path) -> list[Row]:
    """Every recipe with every seed."""
    rows: list[Row] = []
    for recipe in recipes:
        for seed in range(seeds):
            found, facts = measure(recipe, seed, ARMS[recipe], unseen, work)
            rows += rows_of(recipe, seed, found, facts)
            if recipe == "bangla/register_tiny" and seed == 0:
                write_page(found, seed, 12)
            print(recipe, seed, facts, flush=True)
            for row in rows:
                kept = (row["seed"], row["recipe"], row.get("group"), row["measure"])
                if kept == (seed, recipe, "all", "register_match"):
                    print(
                        "", *(row[k] for k in ("suite", "method", "decoding", "value")), flush=True
                    )
    return rows


if __name__ == "__main__":
    main()
