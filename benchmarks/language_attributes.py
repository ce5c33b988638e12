"""Combine adapters that each hold one level of address, and judge the answers exactly.

    python benchmarks/language_attributes.py --work runs/attributes     # some minutes on one core

Each adapter is a run of `bangla/attribute_control` on its own level; one more run trains on all
levels. Sum, mean and weighted sums of the three answer the same requests. So do gates, which choose
among the three for each token; they train on requests at all levels. Each request asks for one
level, and the checker tells at which level an answer is. The base without an adapter comes first.
The settings were fixed before any answer was seen.

Levels exclude each other. `--compatible` composes two attributes that do not: the level `apni`, and
a word of thanks at the end, which its adapter learned on answers at all levels. The opponent is one
adapter that was trained on both.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from itertools import cycle
from pathlib import Path
from typing import Any

import torch
from runner import Table, option, parsed

from bangla_checker import LEVELS, is_right, normalise
from scionwood import fit, load, load_adapter, resolve
from scionwood.authoring import minimise, warm_cosine
from scionwood_bangla import Decoding, Writer
from scionwood_bangla.data.conversations import Generated, shipped
from scionwood_bangla.model.weights import PLACE, plain
from scionwood_language.tasks.causal import loss_of
from scionwood_language.tasks.sft import INPUTS
from scionwood_methods.composition import AdapterGates, composed

ALL = "all levels"
STEPS, GATE_STEPS, GATE_RATE, N = 100, 60, 1e-2, 60
SUMS: dict[str, dict[str, float]] = {
    "no adapter": {},
    **{f"{level} alone": {level: 1.0} for level in LEVELS},
    "one adapter on all levels": {ALL: 1.0},
    "sum of three": dict.fromkeys(LEVELS, 1.0),
    "mean of three": dict.fromkeys(LEVELS, 1 / 3),
    "apni minus half tui": {"apni": 1.0, "tui": -0.5},
}
GATES = "gates over three"
CHANGES = [f"trainer.max_steps={STEPS}", f"trainer.val_check_interval={STEPS}"]
CHANGES += ["trainer.accelerator=cpu", "task.max_new_tokens=0"]
THANKS = " ধন্যবাদ।"
PAIRS: dict[str, dict[str, float]] = {
    "no adapter": {},
    "apni alone": {"apni": 1.0},
    "thanks alone": {"thanks": 1.0},
    "sum of both": {"apni": 1.0, "thanks": 1.0},
    "mean of both": {"apni": 0.5, "thanks": 0.5},
    "one adapter on both": {"both": 1.0},
}


def adapters(work: Path, names: tuple[str, ...] = (*LEVELS, ALL)) -> Any:
    """Return the base with adapters of levels, training those that are missing."""
    for name in names:
        folder = work / name.replace(" ", "_")
        if not (folder / "adapter").is_dir():
            levels = json.dumps(LEVELS if name == ALL else [name])
            changes = [f"data.levels={levels}", "data.n_val=2", *CHANGES]
            fit(resolve("bangla/attribute_control", changes), run_dir=folder)
    model = load("backbones", "language/causal_lm")(model=PLACE)
    for name in names:
        model = load_adapter(model, work / name.replace(" ", "_") / "adapter", name=_key(name))
    return model


def _key(name: str) -> str:
    return name.replace(" ", "_")


def compatible(work: Path) -> None:
    """Compose a level with a word of thanks, and count the answers that have both."""
    for name, levels in (("thanks", LEVELS), ("both", ("apni",))):
        if not (work / name / "adapter").is_dir():
            rows = [row for row in shipped("train") if (row.register or set()) <= set(levels)]
            talks = [plain(row.messages) for row in rows[:1200]]
            for talk in talks:
                talk[-1]["content"] += THANKS
            text = "\n".join(json.dumps({"messages": talk}) for talk in talks)
            (work / f"{name}.jsonl").write_text(text, "utf-8")
            source = f"source: {work.absolute()}/{name}.jsonl, batch_size: 6"
            data = f"data={{name: language/conversations, {source}, tokenizer: '{PLACE}'}}"
            fit(resolve("bangla/attribute_control", [data, *CHANGES]), run_dir=work / name)
    model = adapters(work, ("apni",))
    for name in ("thanks", "both"):
        model = load_adapter(model, work / name / "adapter", name=name)
    requests = Generated(n_val=N, n_test=1).examples("val")
    table = Table("language_compatible", again=True)
    for mix, weights in PAIRS.items():
        with composed(model, weights) if weights else model.disable_adapter():
            decoding = Decoding(max_new_tokens=72, batch_size=N)
            answers = Writer(model).write([pair.prompt for pair in requests], decoding)
        texts = [answer.text for answer in answers]
        level = [is_right(text, frozenset({"apni"})) for text in texts]
        thanks = [text.rstrip().endswith(normalise(THANKS).strip()) for text in texts]
        both = [a and b for a, b in zip(level, thanks, strict=True)]
        shares = {"apni": level, "thanks": thanks, "both": both}
        table.add({"mix": mix, "n": N} | {k: f"{sum(v) / N:.2f}" for k, v in shares.items()})


def gates_of(model: Any) -> AdapterGates:
    """Return gates for each token, trained on requests at all levels."""
    gates = AdapterGates(model, dict.fromkeys(LEVELS, 1.0))
    batches = cycle(Generated(n_train=600, batch_size=6).loader("train"))
    model.requires_grad_(False)

    def loss(step: int) -> torch.Tensor:
        batch = next(batches)
        inputs = {name: batch[name] for name in INPUTS if name in batch}
        return loss_of(model, inputs, batch["labels"])

    with composed(model, gates, mode="gate"):
        plan = warm_cosine(GATE_STEPS)
        minimise(loss, gates.parameters(), steps=GATE_STEPS, lr=GATE_RATE, schedule=plan, clip=1.0)
    return gates


def mixed(model: Any, name: str, gates: AdapterGates) -> AbstractContextManager[Any]:
    if name == GATES:
        return composed(model, gates, mode="gate")
    weights = {_key(item): weight for item, weight in SUMS[name].items()}
    inside: AbstractContextManager[Any] = model.disable_adapter()
    return composed(model, weights) if weights else inside


def main() -> None:
    choice = option("--compatible", action="store_true")
    options = parsed(__doc__, option("--work", type=Path, required=True), choice)
    if options.compatible:
        compatible(options.work)
        return
    model = adapters(options.work)
    gates = gates_of(model)
    requests = Generated(n_val=N, n_test=1).examples("val")
    table = Table("language_attributes", again=True)
    for name in (*SUMS, GATES):
        with mixed(model, name, gates):
            decoding = Decoding(max_new_tokens=72, batch_size=N)
            answers = Writer(model).write([pair.prompt for pair in requests], decoding)
        texts = [answer.text for answer in answers]
        pairs = list(zip(texts, requests, strict=True))
        right = [is_right(text, pair.register or frozenset()) for text, pair in pairs]
        shares = {level: [is_right(text, frozenset({level})) for text in texts] for level in LEVELS}
        row = {"mix": name, "n": N} | {k: f"{sum(v) / N:.2f}" for k, v in shares.items()}
        row |= {"as asked": f"{sum(right) / N:.2f}"}
        table.add(row)


if __name__ == "__main__":
    main()
