"""Try to cheat the score of answers: register, relevance, fluency and freshness.

    python benchmarks/bangla_score.py    # a few minutes on one core; --answers keeps them

The answers of the cheats come from rules that know the request, or from references. Limits
of the score are quantiles over the references of the development half. The test half and the
prompts whose level must be inferred were scored once, after the limits were fixed. The shipped run
and its base answer greedily.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from runner import Row, machine, option, parsed, remembered, write

from scionwood_bangla.evaluation.prompts import Half, Prompt, prompts
from scionwood_bangla.evaluation.quality import LIMITS, Measured, judge_answer, measure_answer
from scionwood_bangla.inference import SHIPPED, Writer
from scionwood_bangla.text.normalise import BENGALI, normalise
from scionwood_language import Decoding

HALVES: tuple[Half, ...] = ("dev", "test", "inferred")
SAMPLES = 8
SHARES = ("good", "register", "relevant", "fluent", "fresh")
LINES = {
    level: normalise(line)
    for level, line in {
        "tui": "তুই ভালো থাকিস।",
        "tumi": "তুমি ভালো থেকো।",
        "apni": "আপনি ভালো থাকবেন।",
    }.items()
}
POLITE = re.compile(
    normalise(
        "আপনি|স্যার|শিক্ষক|কর্মকর্তা|প্রধান|অফিস|ডাক্তার|চাচা|দাদা|দাদু|নানা|শ্বশুর|সাহেব|গ্রাহক|পরিচালক|"
        "ম্যানেজার|মহোদয়|বরাবর|কর্তৃপক্ষ|অচেনা"
    )
)
INTIMATE = re.compile(normalise("তুই|তোকে|তোর"))
WORD = re.compile(f"[{BENGALI}]+")


def guessed_line(prompt: Prompt) -> str:
    """Return one of three fixed lines, by keywords of the request."""
    if INTIMATE.search(prompt.text):
        return LINES["tui"]
    return LINES["apni" if POLITE.search(prompt.text) else "tumi"]


def reversed_words(text: str) -> str:
    return " ".join(WORD.findall(text)[::-1]) + "।"


def of_another(prompt: Prompt) -> str:
    """Return the reference of the next prompt of the same level."""
    items = prompts(half=prompt.half)  # type: ignore[arg-type]
    at = next(k for k, item in enumerate(items) if item.text == prompt.text)
    others = [*items[at + 1 :], *items[:at]]
    return next(item.reference for item in others if item.expected == prompt.expected)


def half_sorted(prompt: Prompt) -> str:
    """Return the fixed line twice, then every second word of the request in sorted order."""
    words = sorted(WORD.findall(prompt.text))[::2]
    return f"{guessed_line(prompt)} {guessed_line(prompt)} {' '.join(words)}।"


ANSWERS: dict[str, Callable[[Prompt], str]] = {
    "reference": lambda prompt: prompt.reference,
    "keyword rule": guessed_line,
    "keyword rule, ten times": lambda prompt: " ".join([guessed_line(prompt)] * 10),
    "echo and keyword rule": lambda prompt: f"{prompt.text} {guessed_line(prompt)}",
    "reversed request and keyword rule": lambda prompt: (
        f"{guessed_line(prompt)} {reversed_words(prompt.text)}"
    ),
    "half of the words, sorted, and keyword rule": half_sorted,
    "reference of another prompt": of_another,
    "reference with reversed words": lambda prompt: reversed_words(prompt.reference),
}


def written(writer: Writer) -> dict[str, str]:
    """Return the greedy answer of a model to each prompt."""
    items = prompts()
    questions = [item.example().prompt for item in items]
    answers = writer.write(questions, Decoding(max_new_tokens=120))
    return {item.text: answer.text for item, answer in zip(items, answers, strict=True)}


def best_of(writer: Writer, samples: int) -> tuple[dict[str, str], dict[str, str]]:
    """Return sampled answers that are chosen by register alone, and by all four questions."""
    items = [item for half in HALVES[1:] for item in prompts(half=half)]
    questions = [item.example().prompt for item in items for _ in range(samples)]
    answers = writer.write(questions, Decoding(sampled=True, max_new_tokens=120))
    by_level, by_all = {}, {}
    for number, item in enumerate(items):
        texts = [a.text for a in answers[number * samples : (number + 1) * samples]]
        verdicts = [judge_answer(item.text, text, item.levels) for text in texts]
        by_level[item.text] = texts[max(range(samples), key=lambda k: verdicts[k].register)]
        by_all[item.text] = texts[max(range(samples), key=lambda k: verdicts[k].passed)]
    return by_level, by_all


def passed(verdicts: Sequence[Any]) -> dict[str, str]:
    """Return the share of answers that pass each question."""
    return {n: f"{np.mean([getattr(item, n) for item in verdicts]):.4g}" for n in SHARES}


def shares(half: Half, name: str, answer: Callable[[Prompt], str]) -> list[Row]:
    items = prompts(half=half)
    verdicts = [judge_answer(item.text, answer(item), item.levels) for item in items]
    about = {"half": half, "answer": name, "prompts": len(items)}
    return [about | {"measure": n, "value": value} for n, value in passed(verdicts).items()]


def quantiles(items: Sequence[Prompt]) -> list[Row]:
    """Return quantiles of the measures of references, and the limits that follow from them."""
    measured = np.array([measure_answer(item.text, item.reference) for item in items])
    rows: list[Row] = []
    for name, values, limit in zip(Measured._fields, measured.T, LIMITS, strict=True):
        for q in (5, 50, 95):
            value = f"{np.percentile(values, q):.4g}"
            rows.append({"half": "dev", "answer": "reference", "measure": f"{name}, {q} %"})
            rows[-1] |= {"prompts": len(items), "value": value}
        rows.append({"half": "dev", "answer": "limit", "measure": name, "value": f"{limit:g}"})
    return rows


def answers_of_models(folder: Path | None) -> dict[str, dict[str, str]]:
    """Return the answers of the base and of the shipped run by prompt."""
    writer = Writer.of_run(SHIPPED)

    def answers(name: str, make: Callable[[], object]) -> Any:
        return remembered(folder / f"{name}.json", make) if folder else make()

    def plain() -> dict[str, str]:
        with writer.without_adapter() as base:
            return written(base)

    models = {"base model": answers("base", plain)}
    models["shipped run"] = answers("shipped", lambda: written(writer))
    by_level, by_all = answers("best", lambda: best_of(writer, SAMPLES))
    models[f"shipped run, best of {SAMPLES} by register"] = by_level
    models[f"shipped run, best of {SAMPLES} by all four"] = by_all
    return models


def main() -> None:
    where = option("--answers", type=Path, help="a folder for the answers of the models")
    models = answers_of_models(parsed(__doc__, where).answers)
    rows = quantiles(prompts(half="dev"))
    ways = ANSWERS | {name: _from(table) for name, table in models.items()}
    for half in HALVES:
        for name, way in ways.items():
            if half != "dev" or "best of" not in name:
                rows += shares(half, name, way)
    for row in rows:
        print(row["half"], row["answer"], row["measure"], row["value"], sep="\t")
    write("bangla_score", [{"device": "cpu", **row, **machine()} for row in rows])


def _from(table: dict[str, str]) -> Callable[[Prompt], str]:
    return lambda prompt: table[prompt.text]


if __name__ == "__main__":
    main()
