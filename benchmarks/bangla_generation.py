"""Compare adapters on a tiny Bangla model with prompting its base.

    python benchmarks/bangla_generation.py --work FOLDER    # five minutes on one core

It measures the run that the package ships, and writes the page. With `--recipes`, the recipes
`bangla/register_tiny` and `bangla/dpo_register` run with seeds 0, 1 and 2 instead, which also seed
the data, the shots and the samples. Each run and its base answer four sets of requests: the 90
hand-written prompts used during development, the 60 written later, the 30 whose level must be
inferred, and generated requests about pairs of verb and tense that training never shows. The base
is prompted in three ways: alone, with three examples, and with the level in the prompt. The tricks
of `bangla_score.py` are methods too. Runs and rows in the folder are kept, so a benchmark that was
stopped goes on. The results are benchmarks/results/bangla_generation.csv and
docs/results/bangla_generations.md.
"""

from __future__ import annotations

import time
from pathlib import Path

from bangla_score import ANSWERS, HALVES, passed
from runner import (
    Row,
    machine,
    option,
    out,
    parsed,
    remembered,
    replace_rows,
    versions,
)

from scionwood import find_run, fit, resolve
from scionwood.authoring import atomic_path
from scionwood_bangla.evaluation.baselines import METHODS, draw_shots, training_examples
from scionwood_bangla.evaluation.compare import Evaluation, Plan, compare, handwritten, held_out
from scionwood_bangla.evaluation.prompts import prompts
from scionwood_bangla.evaluation.quality import judge_answer
from scionwood_bangla.evaluation.report import answers_table
from scionwood_bangla.generator.make import examples
from scionwood_bangla.inference import SHIPPED, Writer
from scionwood_bangla.lexicon import LEVELS
from scionwood_language import Decoding

PAGE = Path(__file__).parents[1] / "docs" / "results" / "bangla_generations.md"
TOKENS, WAYS = 120, ("greedy", "sampled")
RECIPES = {
    "shipped": list(METHODS),
    "bangla/register_tiny": list(METHODS),
    "bangla/dpo_register": ["zero_shot", "adapter"],
}
"""The methods that are measured for each recipe, and for the run that the package ships."""

GROUPS = ("all", *LEVELS, "plain", "hard")
MEASURES = (
    *("register_match", "good", "relevant", "fluent", "fresh"),
    *("over_formal", "agreement", "ended", "bleu", "chrf", "rouge_l", "wer"),
)
COLUMNS = [("zero_shot", "greedy"), ("adapter", "greedy")]
HEAD = """# Bangla: answers before and after training

`python benchmarks/bangla_generation.py` writes this page. The model is the tiny model of the Bangla
plugin (`language/causal_lm`, 1.3 million parameters). The run is the shipped one, the recipe
`bangla/register_tiny` with seed 0, and decoding is greedy. The requests were drawn by seed {seed},
not selected by hand.

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


def trained(recipe: str, seed: int, work: Path) -> Path:
    """Return the run of a recipe. A run that was stopped goes on."""
    if recipe == "shipped":
        return find_run(SHIPPED)
    run = work / f"{recipe.partition('/')[2]}-{seed}"
    clock, start = run / "cpu_seconds", time.process_time()
    if clock.is_file():
        return run
    if (run / "recipe.yaml").is_file():
        fit(run / "recipe.yaml", resume=run)
    else:
        quiet = ["trainer.logger=false", "trainer.accelerator=cpu"]
        fit(resolve(recipe, [f"seed={seed}", f"data.seed={seed}", *quiet]), run_dir=run)
    clock.write_text(f"{time.process_time() - start:.1f}")
    return run


def evaluated(run: Path, seed: int, methods: list[str], sampled: bool, unseen: int) -> Evaluation:
    """Measure the answers of a run and of its base, for one way of decoding."""
    decoding = Decoding(max_new_tokens=TOKENS, batch_size=64, seed=seed, sampled=sampled)
    plan = Plan(methods, [decoding], draw_shots(training_examples(run), 3, seed), seed)
    requests = examples(unseen, seed=1000 + seed, which="unseen")
    suites = [handwritten(half) for half in HALVES]
    suites.append(held_out(requests, "unseen_verb_tense"))
    return compare(Writer.of_run(run), suites, plan)


def tricks() -> list[Row]:
    """Return the scores of answers that need no model, for the hand-written prompts."""
    rows: list[Row] = []
    for half in HALVES:
        items, suite = prompts(half=half), handwritten(half).name
        for name, answer in ANSWERS.items():
            verdicts = [judge_answer(item.text, answer(item), item.levels) for item in items]
            key = {"recipe": "no model", "seed": 0, "suite": suite, "method": name, "group": "all"}
            for share, value in passed(verdicts).items():
                measure = "register_match" if share == "register" else share
                rows.append(key | {"texts": len(items), "measure": measure, "value": value})
    return rows


def rows_of(recipe: str, seed: int, evaluation: Evaluation) -> list[Row]:
    """Return the measures that the CSV keeps, as rows."""
    return [
        {"recipe": recipe, "seed": seed} | row
        for row in evaluation.rows
        if row["group"] in GROUPS and row["measure"] in MEASURES and row["value"] == row["value"]
    ]


def facts_of(recipe: str, seed: int, run: Path) -> list[Row]:
    """Return the size of an adapter and the time of its training, as rows."""
    weights = run / "adapter" / "adapter_model.safetensors"
    facts: Row = {"adapter_bytes": weights.stat().st_size}
    if (run / "cpu_seconds").is_file():
        facts["cpu_seconds"] = (run / "cpu_seconds").read_text()
    return [
        {"recipe": recipe, "seed": seed, "measure": name, "value": value}
        for name, value in facts.items()
    ]


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


def write_others(rows: list[Row], path: Path) -> None:
    """Write the CSV. Rows of recipes that were not measured stay."""
    tools = machine() | versions("transformers", "sacrebleu")
    rows = [{name: _short(value) for name, value in row.items()} | tools for row in rows]
    replace_rows(path, rows, ("recipe",))


def _short(value: object) -> object:
    text = f"{value:.4g}" if isinstance(value, float) else value
    return "" if text == "nan" else text


def main() -> None:
    options = parsed(
        __doc__,
        option("--recipes", nargs="+", default=["shipped"], choices=list(RECIPES)),
        option("--seeds", type=int, default=3),
        option("--unseen", type=int, default=150),
        out("bangla_generation"),
        option(
            "--work",
            type=Path,
            default=Path("runs/bangla_generation"),
            help="a folder for runs and rows",
        ),
    )
    write_others(tricks(), options.out)
    for recipe in options.recipes:
        rows: list[Row] = []
        for seed in range(1 if recipe == "shipped" else options.seeds):
            run = trained(recipe, seed, options.work)
            rows += facts_of(recipe, seed, run)
            for sampled in (False, True) if recipe == "bangla/register_tiny" else (False,):
                path = options.work / f"{Path(recipe).name}-{seed}-{WAYS[sampled]}.json"
                rows += measured(recipe, seed, run, sampled, options.unseen, path)
        write_others(rows, options.out)


def measured(
    recipe: str, seed: int, run: Path, sampled: bool, unseen: int, path: Path
) -> list[Row]:
    """Return the rows of a run and a way of decoding, from their file if there is one."""

    def measure() -> list[Row]:
        methods = [m for m in RECIPES[recipe] if not (sampled and m.startswith("always"))]
        evaluation = evaluated(run, seed, methods, sampled, unseen)
        if recipe == "shipped":
            write_page(evaluation, seed, 12)
        rows = rows_of(recipe, seed, evaluation)
        for row in rows:
            if row["group"] == "all" and row["measure"] in ("register_match", "good"):
                print(*row.values(), sep="\t", flush=True)
        return rows

    rows: list[Row] = remembered(path, measure)
    return rows


if __name__ == "__main__":
    main()
