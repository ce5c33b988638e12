"""What the recipes of the language plugin reach on SmolLM2, each beside prompting.

    python benchmarks/language_recipes.py planning     # LoRA by rank, beside a ranking by words
    python benchmarks/language_recipes.py review       # zero and few shots beside LoRA
    python benchmarks/language_recipes.py multitask    # PEML beside LoRA for each task and for all

The data are those of the recipes, in smaller numbers. Adapters act in the last six blocks, on
states that are computed once. All settings were fixed before any trained model was tested: the rate
is the one that `benchmarks/language.py` chose for LoRA on its own validation data, and no rate was
tuned here. Rows that exist are kept.
"""

from __future__ import annotations

import inspect
import math
import operator
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any

import torch
from language import prose
from language_parts import LAYERS, MODEL, Examples, Tail, before, examples, judge, loss_of
from language_parts import train as fit
from peft import LoraConfig
from runner import SEEDS, Row, Table, option, parsed
from torch import Tensor, nn

from scionwood import attach, kernels
from scionwood.adapters.methods import config_class
from scionwood.authoring import commands
from scionwood.plugins.discovery import resolve
from scionwood_language.backbones.causal_lm import causal_lm
from scionwood_language.data.code_review import CodeReview
from scionwood_language.data.generated import MixedTasks, turns
from scionwood_language.data.tool_plans import ToolPlans
from scionwood_language.inference.decoding import Decoding
from scionwood_language.inference.writer import write
from scionwood_language.planning import REQUEST
from scionwood_language.tasks.causal import completion_loss
from scionwood_methods.peml.search import discretise, search

BLOCKS, BATCH, STEPS = 6, 4, 30
RANKS, TASKS = (4, 8, 16, 32), ("next", "largest", "reverse")
Pairs = Sequence[tuple[str, str, dict[str, str]]]


class Bench:
    """SmolLM2, general text, and the rate of LoRA."""

    def __init__(self, model: str) -> None:
        self.model: Any = causal_lm(model=model).requires_grad_(False)
        self.tokenizer, self.head = self.model.tokenizer, self.model.lm_head
        losses = {
            float(row["nats"]): row
            for row in Table("language_rates").rows
            if row["method"] == "LoRA"
        }
        self.rate = float(losses[min(losses)]["rate"])
        windows = prose(self.tokenizer)
        labels = [torch.tensor(row) for row in windows]
        self.general = Examples(before(self.model, windows, BLOCKS), labels)
        self.start = loss_of(Tail(self.model, BLOCKS), self.head, self.general)

    def encoded(self, pairs: Pairs, shots: Pairs = ()) -> Examples:
        """Return requests with their answers as examples, with others before each."""
        head = [turn for question, answer, _ in shots for turn in turns(question, answer)]
        talks = [[*head, *turns(question, answer)] for question, answer, _ in pairs]
        return examples(self.model, self.tokenizer, talks, BLOCKS)

    @contextmanager
    def tuned(self, config: Any, seed: int) -> Iterator[Any]:
        """Yield the tail with a fresh adapter; the model has it too."""
        torch.manual_seed(seed)
        tail = attach(Tail(self.model, BLOCKS), config, targets=LAYERS, head=())
        kernels.enable(tail)
        yield tail
        tail.unload()

    def fitted(self, tail: nn.Module, examples: Examples, steps: int, seed: int) -> Row:
        """Train, and return the trained parameters and what is forgotten."""
        options = {"rate": self.rate, "steps": steps, "batch": BATCH, "seed": seed}
        fit(tail, self.head, examples, **options)
        trained = sum(p.numel() for p in tail.parameters() if p.requires_grad)
        lost = loss_of(tail, self.head, self.general) - self.start
        return {"trained": trained, "forgetting": f"{lost:+.4f}"}

    def exact(self, tail: nn.Module, questions: Examples) -> list[bool]:
        """Return which answers greedy decoding would write."""
        return judge(tail, self.head, questions, self.tokenizer).exact


def lora(rank: int) -> LoraConfig:
    """Return LoRA with the usual scale of two."""
    return LoraConfig(r=rank, lora_alpha=2 * rank)


def ranked_by_words(request: str) -> list[str]:
    """Return the commands by the words that their documentation shares with a request, best first.

    Source: BM25 (Robertson and Zaragoza 2009), with k1 = 1.2 and b = 0.75.
    """
    texts = {}
    for name, reference in commands().items():
        texts[name] = Counter(_words(f"{name} {inspect.getdoc(resolve(name, reference))}"))
    average = sum(text.total() for text in texts.values()) / len(texts)
    spread = Counter(word for text in texts.values() for word in text)

    def score(name: str) -> float:
        text = texts[name]
        length = 0.25 + 0.75 * text.total() / average
        return sum(
            math.log(1 + (len(texts) - spread[word] + 0.5) / (spread[word] + 0.5))
            * text[word] * 2.2 / (text[word] + 1.2 * length)
            for word in _words(request)
        )  # fmt: skip

    return sorted(texts, key=lambda name: (-score(name), name))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z][a-z0-9]+", text.lower())


def planning(bench: Bench, seeds: Sequence[int]) -> Iterator[tuple[Row, Any]]:
    """Yield rows of plans: shared words, prompting, and LoRA by rank."""
    data = ToolPlans(n_train=120, n_test=48, tokenizer="smollm2")
    pairs = data.pairs("test"), data.pairs("train")
    test, train_examples = (bench.encoded(pair) for pair in pairs)
    tools = [more["tool"] for _, _, more in pairs[0]]

    def ranked() -> Row:
        requests = [question.removeprefix(REQUEST.format("")) for question, _, _ in pairs[0]]
        first = [ranked_by_words(request)[0] for request in requests]
        return {"command": _share(map(operator.eq, first, tools))}

    def read_by(tail: nn.Module, question: Examples) -> Row:
        verdict = judge(tail, bench.head, question, bench.tokenizer)
        pairs_of_text = zip(verdict.begun, tools, strict=True)
        right = _share(text.startswith(f"scionwood {tool}") for text, tool in pairs_of_text)
        return {"nats": f"{verdict.nats:.3f}", "command": right, "exact": _share(verdict.exact)}

    def prompted() -> Row:
        shots = Random(0).sample(pairs[1], 3)
        return read_by(Tail(bench.model, BLOCKS), bench.encoded(pairs[0], shots))

    def learned(rank: int, seed: int) -> Row:
        with bench.tuned(lora(rank), seed) as tail:
            row = bench.fitted(tail, train_examples, STEPS, seed)
            return row | read_by(tail, test)

    yield {"method": "shared words (BM25)", "seed": ""}, ranked
    yield {"method": "no examples", "seed": ""}, lambda: read_by(Tail(bench.model, BLOCKS), test)
    yield {"method": "3 examples", "seed": ""}, prompted
    for seed in seeds:
        for rank in RANKS:
            yield {"method": f"LoRA, rank {rank}", "seed": seed}, partial(learned, rank, seed)


def review(bench: Bench, seeds: Sequence[int]) -> Iterator[tuple[Row, Any]]:
    """Yield rows of reviews: prompting and LoRA, all generated and judged."""
    data = CodeReview(n_train=60, n_test=16, tokenizer="smollm2")
    test, pairs = data.pairs("test"), data.pairs("train")
    train_examples = bench.encoded(pairs)
    batch = {key: [more[key] for _, _, more in test] for key in ("line", "fault", "solution")}

    def prompted(shots: Pairs) -> Row:
        head = [turn for question, reply, _ in shots for turn in turns(question, reply)]
        requests = [[*head, *turns(question, "")[:1]] for question, _, _ in test]
        with torch.autocast("cpu", torch.bfloat16):
            decoding = Decoding(max_new_tokens=64, batch_size=16)
            answers = write(bench.model, requests, decoding, tokenizer=bench.tokenizer)
        shares = data.judge([answer.text for answer in answers], batch)
        return {key: f"{value:.3f}" for key, value in shares.items()}

    def learned(seed: int) -> Row:
        with bench.tuned(lora(8), seed) as tail:
            row = bench.fitted(tail, train_examples, STEPS, seed)
            return row | prompted(())

    yield {"method": "no examples", "seed": ""}, lambda: prompted(())
    yield {"method": "2 examples", "seed": ""}, lambda: prompted(Random(0).sample(pairs, 2))
    for seed in seeds:
        yield {"method": "LoRA, rank 8", "seed": seed}, partial(learned, seed)


def multitask(bench: Bench, seeds: Sequence[int]) -> Iterator[tuple[Row, Any]]:
    """Yield rows of three tasks: one LoRA for each, one for all, and PEML for all."""
    sizes = {"n_train": 40, "n_test": 30, "tokenizer": "smollm2"}
    alone = {task: MixedTasks(tasks=[task], **sizes) for task in TASKS}
    train_examples = {task: bench.encoded(data.pairs("train")) for task, data in alone.items()}
    test = {task: bench.encoded(data.pairs("test")) for task, data in alone.items()}
    union = Examples(
        [hidden for item in train_examples.values() for hidden in item.hidden],
        [labels for item in train_examples.values() for labels in item.labels],
    )

    def scored(tail: nn.Module) -> Row:
        return {task: _share(bench.exact(tail, test[task])) for task in TASKS}

    def prompted() -> Row:
        row: Row = {}
        for task, data in alone.items():
            shots = Random(0).sample(data.pairs("train"), 4)
            questions = bench.encoded(data.pairs("test"), shots)
            row[task] = _share(bench.exact(Tail(bench.model, BLOCKS), questions))
        return row

    def each_alone(seed: int) -> Row:
        row: Row = {"trained": 0}
        for task in TASKS:
            with bench.tuned(lora(4), seed) as tail:
                row["trained"] += bench.fitted(tail, train_examples[task], STEPS // 3, seed)[
                    "trained"
                ]
                row[task] = _share(bench.exact(tail, test[task]))
        return row

    def together(seed: int) -> Row:
        with bench.tuned(lora(4), seed) as tail:
            return bench.fitted(tail, union, STEPS, seed) | scored(tail)

    def searched(seed: int) -> Row:
        options = {"r": 4, "alpha": 8.0, "network": "search"}
        with bench.tuned(config_class("methods/peml")(**options), seed) as tail:
            order = Random(seed).sample(range(len(union)), 2 * BATCH * (STEPS // 3))
            batches = [order[at : at + BATCH] for at in range(0, len(order), BATCH)]

            def loss(model: nn.Module, places: list[int]) -> Tensor:
                hidden, labels = union.batch(places)
                with torch.autocast("cpu", torch.bfloat16):
                    return completion_loss(model(hidden), labels, bench.head)

            for _ in search(tail, batches[::2], batches[1::2], loss, lr=bench.rate):
                pass
            row: Row = {"network": discretise(tail)}
            return row | bench.fitted(tail, union, STEPS - STEPS // 3, seed) | scored(tail)

    yield {"method": "no examples", "seed": ""}, lambda: scored(Tail(bench.model, BLOCKS))
    yield {"method": "4 examples", "seed": ""}, prompted
    for seed in seeds:
        yield {"method": "LoRA for each task", "seed": seed}, partial(each_alone, seed)
        yield {"method": "LoRA for all", "seed": seed}, partial(together, seed)
        yield {"method": "PEML for all", "seed": seed}, partial(searched, seed)


def _share(right: Iterable[bool]) -> str:
    values = list(right)
    return f"{sum(values) / len(values):.3f}"


PARTS = {
    "planning": (planning, ("nats", "command", "exact", "trained", "forgetting")),
    "review": (review, ("line", "fault", "no_leak", "trained", "forgetting")),
    "multitask": (multitask, (*TASKS, "trained", "network", "forgetting")),
}
"""Each part with its columns."""


def main() -> None:
    options = parsed(__doc__, option("part", choices=PARTS), SEEDS, MODEL)
    make, columns = PARTS[options.part]
    table = Table(f"language_{options.part}")
    for row, measure in make(Bench(options.model), options.seeds):
        if not table.has(method=row["method"], seed=row["seed"]):
            table.add(row | dict.fromkeys(columns, "") | measure())


if __name__ == "__main__":
    main()
