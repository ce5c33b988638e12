"""Try SmolLM2-135M-Instruct with Bangla tokens beside the tiny model that the plugin ships.

    python benchmarks/bangla_smol.py --work FOLDER    # half an hour of CPU; finished parts stay

The base is made as `python -m scionwood_bangla.model.smol` makes it, and the recipe
`bangla/register_smol` trains an adapter on it, for all of its steps. Greedy answers to the
hand-written prompts and to generated requests are scored by all four questions. References of the
hand-written prompts, which no model has seen, give the surprise of each model in nats per word.

A trial of 51 steps had failed: its softmax had no old tokens beside those of the batch, and
answers held letters of other scripts. The next one, of 122 steps, is called `(first trial)` in the
results, and its rows stay. So do those of an adapter with a third of the recipe's steps, on the
same embeddings as the last one: `(100 steps)`. The other settings were fixed before any answer was
scored. Only times and steps were raised afterwards, when answers to the test half had been seen.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bangla_score import passed
from runner import Row, machine, option, parsed, remembered, replace_rows

from scionwood import fit, resolve
from scionwood.authoring import atomic_path
from scionwood_bangla.evaluation.prompts import Half, prompts
from scionwood_bangla.evaluation.quality import judge_answer
from scionwood_bangla.generator.make import examples
from scionwood_bangla.inference import SHIPPED, Writer
from scionwood_bangla.model.smol import MODEL, make_base
from scionwood_bangla.model.weights import causal_lm, plain
from scionwood_bangla.text.examples import Example
from scionwood_language import IGNORED, Decoding, encode

RECIPE = "bangla/register_smol"
HALVES: tuple[Half, ...] = ("test", "inferred")
SHARES = ("good", "register", "relevant", "fluent", "fresh")
UNSEEN, TOKENS = 60, 64
STEPS, MINUTES, ADAPTER_STEPS = 450, 22.0, 300
"""The trial: steps of the embeddings, the minutes after which they end, steps of the adapter."""

MODELS = ("tiny base", "tiny adapter", "SmolLM2 with tokens", "SmolLM2 adapter", "SmolLM2")
SILENT = ("SmolLM2",)
"""Models that only read: an answer in bytes needs ten tokens a word."""

ALL = (*HALVES, "generated")
PARTS: dict[str, tuple[str, ...]] = {name: ("test",) for name in MODELS[2:]}
"""The parts of the prompts for models that are slow, and not trained to the end."""


def base_of(work: Path) -> Path:
    """Return the folder of the base, with the loss of each step beside it."""
    folder, losses = work / "smol", work / "embeddings.csv"
    if folder.is_dir():
        return folder
    start = time.process_time()
    with losses.open("w", newline="") as file:
        table = csv.writer(file)

        def report(step: int, loss: float) -> None:
            table.writerow([step, f"{loss:.4f}", f"{time.process_time() - start:.1f}"])
            file.flush()

        make_base(folder, steps=STEPS, minutes=MINUTES, report=report)
    return folder


def adapter_of(work: Path) -> Path:
    """Return the run of the recipe on the base. A run that was stopped goes on."""
    base, run = base_of(work), work / "run"
    if (run / "adapter").is_dir() and (work / "trained").exists():
        return run
    names = [
        f"backbone.model={base}",
        f"data.tokenizer={base}",
        "data.n_train=1500",
        "data.n_val=2",
        "task.warmup_steps=10",
        f"trainer.max_steps={ADAPTER_STEPS}",
        f"trainer.val_check_interval={ADAPTER_STEPS}",
        "trainer.accelerator=cpu",
    ]
    start = time.process_time()
    try:
        if (run / "recipe.yaml").is_file():
            fit(run / "recipe.yaml", resume=run)
        else:
            fit(resolve(RECIPE, names), run_dir=run)
    finally:
        with (work / "cpu_seconds").open("a") as file:
            file.write(f"{time.process_time() - start:.0f}\n")
    (work / "trained").touch()
    return run


def requests(half: str) -> list[Example]:
    """Return the requests of a half, or generated ones about acts that no recipe trains on."""
    if half == "generated":
        return examples(UNSEEN, seed=1000, which="unseen")
    return [item.example() for item in prompts(half=half)]  # type: ignore[arg-type]


def writer_of(name: str, work: Path) -> Any:
    if name == "SmolLM2":
        return Writer(causal_lm(MODEL))
    if name == "SmolLM2 with tokens":
        return Writer(causal_lm(str(base_of(work))))
    return Writer.of_run(SHIPPED if name.startswith("tiny") else adapter_of(work))


@torch.no_grad()
def surprise(writer: Writer, examples: list[Example]) -> float:
    """Return the nats per word of reference answers, each after its request."""
    nats, words = 0.0, 0
    for example in examples:
        row = encode(writer.tokenizer, plain(example.messages))
        ids, labels = torch.tensor([row.input_ids]), torch.tensor([row.labels])
        learned = int((labels[:, 1:] != IGNORED).sum())
        nats += float(writer.model(input_ids=ids, labels=labels).loss) * learned
        words += len(example.completion.split())
    return nats / words


def scores(writer: Writer, name: str, work: Path) -> Iterator[Row]:
    """Yield what was measured of one model."""
    for half in PARTS.get(name, ALL):
        examples = requests(half)
        row: Row = {"model": name, "half": half, "prompts": len(examples)}
        yield row | {"measure": "nats per word", "value": f"{surprise(writer, examples):.4g}"}
        if name in SILENT:
            continue
        decoding = Decoding(max_new_tokens=TOKENS, batch_size=60)
        answers = writer.write([example.prompt for example in examples], decoding)
        texts = [answer.text for answer in answers]
        with atomic_path(work / f"{name}-{half}.json") as part:
            part.write_text(json.dumps(texts, ensure_ascii=False), "utf-8")
        verdicts = [
            judge_answer(example.prompt[-1].content, text, example.register or frozenset())
            for example, text in zip(examples, texts, strict=True)
        ]
        ended = np.mean([answer.ended for answer in answers])
        yield row | {"measure": "ended", "value": f"{ended:.4g}"}
        for measure, value in passed(verdicts).items():
            yield row | {"measure": measure, "value": value}


def measured(name: str, work: Path) -> list[Row]:
    """Return the rows of a model, from its file if it was measured before."""

    def measure() -> list[Row]:
        writer = writer_of(name, work)
        if name == "tiny base":
            with writer.without_adapter() as plain_writer:
                return list(scores(plain_writer, name, work))
        return list(scores(writer, name, work))

    rows: list[Row] = remembered(work / f"{name}.json", measure)
    return rows


def training(work: Path) -> Iterator[Row]:
    """Yield the losses of the embeddings, and the time that they took."""
    with (work / "embeddings.csv").open(newline="") as file:
        steps = [(int(step), float(loss), float(spent)) for step, loss, spent in csv.reader(file)]
    row: Row = {"model": "SmolLM2 with tokens", "half": "training", "prompts": len(steps)}
    for start in range(0, len(steps), 25):
        mean = np.mean([loss for _, loss, _ in steps[start : start + 25]])
        yield row | {"measure": f"nats per token from step {start}", "value": f"{mean:.4g}"}
    yield row | {"measure": "CPU seconds", "value": f"{steps[-1][2]:.0f}"}


def adapter_time(work: Path) -> Row:
    """Return the time that the training of the adapter took, over all of its parts."""
    spent = sum(map(float, (work / "cpu_seconds").read_text("utf-8").split()))
    row: Row = {"model": "SmolLM2 adapter", "half": "training", "measure": "CPU seconds"}
    return row | {"prompts": "", "value": f"{spent:.0f}"}


def main() -> None:
    folder = option("--work", type=Path, required=True, help="a folder for models and answers")
    work = parsed(__doc__, folder).work
    base_of(work)
    rows = list(training(work))
    for name in MODELS:
        rows += measured(name, work)
        if name == "SmolLM2 adapter":
            rows.append(adapter_time(work))
        for row in rows[-30:]:
            print(*row.values(), sep="\t", flush=True)
        new = [{"device": "cpu", **row, **machine()} for row in rows]
        replace_rows("bangla_smol", new, ("model",))


if __name__ == "__main__":
    main()
