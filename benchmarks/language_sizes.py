"""Teach SmolLM2 a text, by the number of its sequences: prompts, n-grams and four ways to train.

    pip install -e . -e 'plugins/language[language-demo]' -e plugins/methods
    python benchmarks/language_sizes.py               # a quarter of an hour on one idle core

The text is Python's manual in sequences of 24 tokens, split by topic. All thirty blocks train, in
steps of four sequences. After each third of the steps the loss on 12 validation sequences is
measured, and the weights with the lowest one are tested on 32 others; `still falling` says that the
last third was the best. The rates were chosen before by `benchmarks/study` and on other data; none
was tuned here. The prompt puts four sequences of the training text before each test sequence, and
the n-grams of the training text are mixed in with the share that is best on validation. Forgetting
is measured on prose of package descriptions. Each row is written when it is done, and rows that
exist are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

import torch
from language_parts import MODEL
from peft import IA3Config, LoraConfig
from runner import SEEDS, Row, Table, parsed
from study.corpus import general, manual, split_by_part
from study.texts import Grams, _sequences
from torch import Tensor
from torch.nn import functional as F

from scionwood import attach, parameter_groups
from scionwood.authoring import minimise, warm_cosine
from scionwood_language.backbones.causal_lm import causal_lm

LENGTH, BATCH, SHOTS, PARTS = 24, 4, 4, 3
STEPS = {8: 6, 64: 12, 256: 24}
"""The steps by the number of sequences."""
COUNTS = {"train": 320, "val": 12, "test": 32, "general": 16}
SHARES = (0.05, 0.15, 0.4)
ARMS: dict[str, tuple[Callable[[], Any] | None, float]] = {
    "LoRA": (lambda: LoraConfig(r=8, lora_alpha=16), 2e-3),
    "DoRA": (lambda: LoraConfig(r=8, lora_alpha=16, use_dora=True), 2e-3),
    "IA3": (lambda: IA3Config(feedforward_modules=r".*\.down_proj"), 1.6e-2),
    "full": (None, 1.2e-4),
}
"""The adapter and the rate of each way to train; `full` trains all weights."""
IA3_TARGETS = r".*\.(k_proj|v_proj|down_proj)"


class Bench:
    """SmolLM2, and the sequences of each part."""

    def __init__(self, model: str) -> None:
        self.model: Any = causal_lm(model=model).requires_grad_(False)
        parts = {**split_by_part(manual()), "general": general()}
        self.ids = {
            name: _sequences(texts, self.model.tokenizer, LENGTH, COUNTS[name])
            for name, texts in parts.items()
        }
        self.before = float(self.nats(self.model, "general").mean())

    @torch.no_grad()
    def nats(self, model: Any, part: str, prompt: Tensor | None = None) -> Tensor:
        """Return the nats of each token but the first, (sequence, 23)."""
        model.eval()
        values = []
        for ids in self.ids[part].split(16):
            shots = ids[:, :0] if prompt is None else prompt.expand(len(ids), -1)
            logits = model(input_ids=torch.cat([shots, ids], 1), use_cache=False).logits
            logits = logits[:, shots.shape[1] : -1].flatten(0, 1)
            nats = F.cross_entropy(logits, ids[:, 1:].flatten(), reduction="none")
            values.append(nats.view(len(ids), -1))
        return torch.cat(values)

    def mixed(self, train: Tensor) -> Row:
        """Return the nats with n-grams of the training text, with the best share."""
        grams = Grams(train.tolist())
        losses = {}
        for part in ("val", "test"):
            chances = torch.tensor([grams.sequence(row) for row in self.ids[part].tolist()])
            model = (-self.nats(self.model, part)).exp()
            for share in SHARES:
                mixture = (1 - share) * model + share * chances
                losses[part, share] = -float(mixture.clamp_min(1e-30).log().mean())
        best = min(SHARES, key=lambda share: losses["val", share])
        return {"nats": f"{losses['test', best]:.4f}", "rate": best}

    def trained(self, arm: str, train: Tensor, steps: int, seed: int) -> Row:
        """Return the nats and the forgetting of the best weights."""
        make, rate = ARMS[arm]
        torch.manual_seed(seed)
        start = {name: value.clone() for name, value in self.model.state_dict().items()}
        targets = IA3_TARGETS if arm == "IA3" else "all-linear"
        tuned: Any = self.model.requires_grad_(True)
        if make is not None:
            tuned = attach(self.model.requires_grad_(False), make(), targets=targets)
        scores: list[float] = []
        best: dict[str, Tensor] = {}
        trained = {n: p for n, p in tuned.named_parameters() if p.requires_grad}
        random, order, times = Random(seed), list[int](), list[float]()
        while len(order) < steps * BATCH:
            order += random.sample(range(len(train)), len(train))

        def loss(step: int) -> Tensor:
            times.append(time.process_time())
            tuned.train()
            ids = train[order[step * BATCH : (step + 1) * BATCH]]
            nats: Tensor = tuned(input_ids=ids, labels=ids, use_cache=False).loss
            return nats

        def told(step: int, value: float) -> None:
            times[-1] = time.process_time() - times[-1]
            if (step + 1) % (steps // PARTS) == 0:
                scores.append(float(self.nats(tuned, "val").mean()))
                if scores[-1] == min(scores):
                    best.update({name: value.detach().clone() for name, value in trained.items()})

        minimise(
            loss,
            [{"lr": rate, **group} for group in parameter_groups(tuned, rate, 0.0)],
            steps=steps,
            lr=rate,
            schedule=warm_cosine(steps),
            clip=1.0,
            report=told,
        )
        with torch.no_grad():
            for name, value in trained.items():
                value.copy_(best[name])
        nats = float(self.nats(tuned, "test").mean())
        lost = float(self.nats(tuned, "general").mean()) - self.before
        row: Row = {"nats": f"{nats:.4f}", "forgetting": f"{lost:.4f}", "rate": rate}
        row |= {"falling": int(scores[-1] == min(scores))}
        row |= {"trained": sum(p.numel() for p in trained.values())}
        if make is not None:
            self.model = tuned.unload()
        self.model.load_state_dict(start)
        self.model.requires_grad_(False)
        return row | {"s a step": f"{sorted(times)[len(times) // 2]:.2f}"}


def main() -> None:
    options = parsed(__doc__, SEEDS, MODEL)
    bench, table = Bench(options.model), Table("language_sizes")
    empty = dict.fromkeys(("nats", "forgetting", "falling", "rate", "trained", "s a step"), "")
    if not table.rows:
        nats = float(bench.nats(bench.model, "test").mean())
        row = {"arm": "no training", "sequences": 0, "seed": "", **empty}
        table.add(row | {"nats": f"{nats:.4f}"})
    jobs = (
        {"arm": arm, "sequences": size, "seed": seed}
        for seed in options.seeds
        for arm in ("prompt", "n-grams", *ARMS)
        for size in STEPS
    )
    for job in table.missing(jobs):
        random, size = Random(job["seed"]), job["sequences"]
        train = bench.ids["train"][random.sample(range(len(bench.ids["train"])), size)]
        if job["arm"] == "prompt":
            nats = bench.nats(bench.model, "test", train[:SHOTS].reshape(1, -1))
            row = {"nats": f"{float(nats.mean()):.4f}"}
        elif job["arm"] == "n-grams":
            row = bench.mixed(train)
        else:
            row = bench.trained(job["arm"], train, STEPS[size], job["seed"])
        table.add(job | empty | row)


if __name__ == "__main__":
    main()
