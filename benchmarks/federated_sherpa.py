"""Sherpa's protocol (arXiv 2605.13936) on SmolLM2: full and LoRA, alone, by rounds and pooled.

    python benchmarks/federated_sherpa.py --seeds 0 1      # about six minutes on one core

Four sites hold questions made from the documentation of Python's standard library, as in
language.py: what a function does is asked, its full name is the answer; `module` is the share
of answers whose module is right, in teacher forcing. A site has the modules of
one quarter of the list, so that no two share a module. Each site takes 24 steps of four questions
alone, or in four rounds; centralised training takes the steps of all sites. Adapters, or all
weights of "full", are those of the last six blocks. The rates are those that language.py chose on
validation data of its own. `MB up` is what all sites send. Rows that exist are kept.
"""

from __future__ import annotations

import itertools
import time
from statistics import fmean
from typing import Any

import torch
from language import LORA, METHODS, MODULES, Bench, Item, chosen, splits, turns
from language_parts import MODEL, Examples, Verdict, examples, judge
from language_parts import train as fit
from peft import LoraConfig
from peft.utils import set_peft_model_state_dict
from runner import Row, Table, option, parsed
from torch import Tensor, nn

from scionwood import adapters
from scionwood_federated import Site, Update, exact

SITES, ROUNDS, STEPS, BATCH = 4, 4, 6, 4
TRAIN, TEST = 40, 16
State = dict[str, Tensor]


def right(verdict: Verdict, modules: list[str]) -> float:
    """Return the share of answers with the right module; whole names need a longer training."""
    return fmean(text.startswith(f"{m}.") for text, m in zip(verdict.begun, modules, strict=True))


def quarter(item: Item) -> int:
    """Return the site of a question, by its module."""
    return MODULES.index(item.answer.rpartition(".")[0]) * SITES // len(MODULES)


def state_of(tail: nn.Module) -> State:
    """Return what a site sends: the adapter, or all weights that train."""
    if hasattr(tail, "peft_config"):
        return {k: v.clone() for k, v in adapters.adapter_state(tail).items()}
    return {k: p.detach().clone() for k, p in tail.named_parameters() if p.requires_grad}


def put(tail: nn.Module, state: State) -> None:
    """Take a state."""
    if hasattr(tail, "peft_config"):
        set_peft_model_state_dict(tail, state)
    else:
        tail.load_state_dict(state, strict=False)


def mean(states: list[State], is_lora: bool) -> State:
    """Return the mean of full weights, or the exact mean of the products cut to the rank."""
    if not is_lora:
        return {k: torch.stack([state[k] for state in states]).mean(0) for k in states[0]}
    config = LoraConfig(**LORA)
    about = Site("site", 1, 1, 1, "", "", "", "")
    updates = [Update(about, config, state, {}) for state in states]
    return dict(exact(updates, [1 / len(states)] * len(states), updates[0]).adapter)


def measured(bench: Bench, name: str, seed: int, data: list[dict[str, Any]]) -> list[Row]:
    """Return the rows of full or LoRA: alone, federated, centralised."""
    rate, method = chosen(bench, name), METHODS[name]
    parts = [site["train"] for site in data]
    joined = Examples(
        [h for part in parts for h in part.hidden], [y for part in parts for y in part.labels]
    )
    whole = ROUNDS * STEPS
    rows: list[Row] = []

    def scores(tail: nn.Module) -> list[tuple[float, float]]:
        verdicts = [judge(tail, bench.head, site["test"], bench.tokenizer) for site in data]
        return [(v.nats, right(v, site["modules"])) for v, site in zip(verdicts, data, strict=True)]

    def told(regime: str, each: list[list[tuple[float, float]]], up: float, start: float) -> None:
        own = [scored[n] for n, scored in enumerate(each)]
        every = list(itertools.chain.from_iterable(each))
        row: Row = {"regime": regime}
        row |= {"own nats": f"{fmean(v[0] for v in own):.3f}"}
        row |= {"own module": f"{fmean(v[1] for v in own):.3f}"}
        row |= {"all nats": f"{fmean(v[0] for v in every):.3f}"}
        row |= {"all module": f"{fmean(v[1] for v in every):.3f}"}
        rows.append({**row, "MB up": f"{up:.1f}", "CPU s": f"{time.process_time() - start:.0f}"})

    with bench.adapted(method, seed) as tail:
        first = state_of(tail)
        size = sum(v.numel() * v.element_size() for v in first.values()) / 1e6
        train: dict[str, Any] = {"rate": rate, "batch": BATCH}
        told("untrained", [scores(tail)] * SITES, 0.0, time.process_time())
        start, each = time.process_time(), []
        for n, part in enumerate(parts):
            put(tail, first)
            fit(tail, bench.head, part, steps=whole, seed=100 * seed + n, **train)
            each.append(scores(tail))
        told("alone", each, 0.0, start)
        start, state = time.process_time(), first
        for round_ in range(ROUNDS):
            states = []
            for n, part in enumerate(parts):
                put(tail, state)
                draw = 100 * seed + 10 * round_ + n
                fit(tail, bench.head, part, steps=STEPS, seed=draw, **train)
                states.append(state_of(tail))
            state = mean(states, hasattr(tail, "peft_config"))
        put(tail, state)
        told("federated", [scores(tail)] * SITES, size * SITES * ROUNDS, start)
        start = time.process_time()
        put(tail, first)
        fit(tail, bench.head, joined, steps=whole * SITES, seed=seed, **train)
        told("centralised", [scores(tail)] * SITES, 0.0, start)
    return rows


def main() -> None:
    options = parsed(__doc__, option("--seeds", type=int, nargs="*", default=[0, 1]), MODEL)
    bench, table = Bench(options.model), Table("federated_sherpa")
    asked, data = splits(), []
    for n in range(SITES):
        site: dict[str, Any] = {}
        for part, size in (("train", TRAIN), ("test", TEST)):
            own = [item for item in asked[part] if quarter(item) == n][:size]
            talks = [turns(item) for item in own]
            site[part] = examples(bench.model, bench.tokenizer, talks, METHODS["LoRA"].blocks)
            site["modules"] = [item.answer.rpartition(".")[0] for item in own]
        data.append(site)
    print([[len(found) for found in site.values()] for site in data], flush=True)
    for seed, name in itertools.product(options.seeds, ("LoRA", "full, last blocks")):
        job = {"adapter": name, "seed": seed}
        if not table.has(**job):
            table.add(*({**job, **row} for row in measured(bench, name, seed, data)))


if __name__ == "__main__":
    main()
