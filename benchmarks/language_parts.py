"""The last blocks of SmolLM2 on states that are computed once: training, losses and exact answers.

The benchmarks of the language plugin share it. Adapters act in the last blocks only. What stands
before them never changes, so its states are kept, and a step costs a fraction of a whole one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite
from random import Random
from typing import Any, NamedTuple, final

import torch
from lora.memory import kept_by
from runner import Table, option
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from scionwood import parameter_groups
from scionwood.authoring import minimise, warm_cosine
from scionwood_language.chat.templates import IGNORED, encode, end_of_turn
from scionwood_language.tasks.causal import completion_loss, select_learned

LAYERS = r"layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
"""All linear layers of the tail."""

MODEL = option("--model", default="smollm2", help="or a folder with the same weights")
CHUNK = 16
"""Examples of a batch that is only read."""

Turns = Sequence[Mapping[str, str]]


@final
class Tail(nn.Module):
    """The last blocks of a Llama and its last norm.

    The blocks are those of the model, so that the model has every adapter of the tail.

    Shapes: states (batch, token, width) in and out. Padding stands at the right.

    Args:
        model: the language model.
        blocks: how many blocks.
    """

    def __init__(self, model: Any, blocks: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(list(model.model.layers)[-blocks:])
        self.norm, self.rotary, self.config = model.model.norm, model.model.rotary_emb, model.config

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the states before the output layer."""
        states: Tensor = self.norm(_through(self.layers, self.rotary, hidden))
        return states


def _through(layers: Any, rotary: Any, hidden: Tensor) -> Tensor:
    places = torch.arange(hidden.shape[1])[None]
    rotated = rotary(hidden, places)
    for layer in layers:
        hidden = layer(hidden, position_ids=places, position_embeddings=rotated)
    return hidden


@dataclass(frozen=True)
class Examples:
    """Examples without padding.

    Attributes:
        hidden: the states before the tail, (token, width) bfloat16 each.
        labels: the tokens, (token,) int64 each; `IGNORED` for those that are not learned.
    """

    hidden: list[Tensor]
    labels: list[Tensor]

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, places: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return states and labels of some examples, padded at the right."""
        hidden = pad_sequence([self.hidden[at] for at in places], True)
        labels = pad_sequence([self.labels[at] for at in places], True, IGNORED)
        return hidden.float(), labels

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all examples in their order."""
        for start in range(0, len(self), CHUNK):
            yield self.batch(range(start, min(start + CHUNK, len(self))))


def examples(model: Any, tokenizer: Any, talks: Sequence[Turns], blocks: int) -> Examples:
    """Return conversations as states before the last `blocks` blocks; the last turn is learned."""
    codes = [encode(tokenizer, talk) for talk in talks]
    labels = [torch.tensor(code.labels) for code in codes]
    return Examples(before(model, [code.input_ids for code in codes], blocks), labels)


@torch.no_grad()
def before(model: Any, ids: Sequence[Sequence[int]], blocks: int) -> list[Tensor]:
    """Return the states before the last `blocks` blocks, (token, width) for each text."""
    inner, parts_of_hidden = model.model, []
    for start in range(0, len(ids), CHUNK):
        chunk = [torch.tensor(row) for row in ids[start : start + CHUNK]]
        with torch.autocast("cpu", torch.bfloat16):
            hidden = inner.embed_tokens(pad_sequence(chunk, True))
            hidden = _through(list(inner.layers)[:-blocks], inner.rotary_emb, hidden)
        parts_of_hidden += [
            h[: len(i)].to(torch.bfloat16) for h, i in zip(hidden, chunk, strict=True)
        ]
    return parts_of_hidden


class Pace(NamedTuple):
    """CPU seconds of a step, and MiB that its forward pass keeps for the backward pass."""

    seconds: float
    mib: float


def train(
    tail: nn.Module,
    head: Callable[[Tensor], Tensor],
    examples: Examples,
    *,
    rate: float,
    steps: int,
    batch: int,
    seed: int,
) -> Pace:
    """Train with AdamW, a warm-up and a cosine; every example comes once before one comes again.

    The seconds are a median over steps.
    """
    random, order = Random(seed), list[int]()
    while len(order) < steps * batch:
        order += random.sample(range(len(examples)), len(examples))
    tail.train()
    with torch.autocast("cpu", torch.bfloat16):
        stored = kept_by(tail, examples.batch(order[:batch])[0])
    times = [time.process_time()]

    def loss(step: int) -> Tensor:
        hidden, labels = examples.batch(order[step * batch : (step + 1) * batch])
        with torch.autocast("cpu", torch.bfloat16):
            return completion_loss(tail(hidden), labels, head)

    minimise(
        loss,
        [{"lr": rate, **group} for group in parameter_groups(tail, rate, 0.0)],
        steps=steps,
        lr=rate,
        schedule=warm_cosine(steps),
        clip=1.0,
        report=lambda step, value: times.append(time.process_time()),
    )
    spent = sorted(after - start for start, after in pairwise(times))
    return Pace(spent[len(spent) // 2], stored / 2**20)


class Verdict(NamedTuple):
    """Answers in teacher forcing.

    Attributes:
        nats: the loss, nats a learned token.
        exact: whether greedy decoding would write the answer and end it.
        begun: what greedy decoding would write, up to its first token that differs.
    """

    nats: float
    exact: list[bool]
    begun: list[str]


@torch.no_grad()
def judge(
    tail: nn.Module, head: Callable[[Tensor], Tensor], questions: Examples, tokenizer: Any
) -> Verdict:
    """Return the loss of answers, and where greedy decoding would leave them.

    Greedy decoding writes an answer if and only if each of its tokens is the most probable one
    after those before it, so that nothing has to be generated.
    """
    tail.eval()
    total, count, exact, begun = 0.0, 0, list[bool](), list[str]()
    ends = end_of_turn(tokenizer)
    for hidden, labels in questions.batches():
        with torch.autocast("cpu", torch.bfloat16):
            states, targets = select_learned(tail(hidden), labels)
            logits = head(states).float()
        total += float(F.cross_entropy(logits, targets, reduction="sum"))
        count += len(targets)
        sizes = (labels[:, 1:] != IGNORED).sum(1).tolist()
        pairs = zip(logits.argmax(1).split(sizes), targets.split(sizes), strict=True)
        for tokens, expected in pairs:
            size = expected.tolist().index(ends) + 1
            wrong = (tokens[:size] != expected[:size]).nonzero()
            exact.append(not len(wrong))
            until = size if exact[-1] else int(wrong[0]) + 1
            begun.append(tokenizer.decode(tokens[:until], skip_special_tokens=True))
    return Verdict(total / count, exact, begun)


@torch.no_grad()
def loss_of(tail: nn.Module, head: Callable[[Tensor], Tensor], examples: Examples) -> float:
    """Return the loss of examples, nats a learned token."""
    tail.eval()
    total, count = 0.0, 0
    for hidden, labels in examples.batches():
        with torch.autocast("cpu", torch.bfloat16):
            states, targets = select_learned(tail(hidden), labels)
            total += float(F.cross_entropy(head(states).float(), targets, reduction="sum"))
        count += len(targets)
    return total / count


def best_rate(
    name: str,
    method: str,
    rates: Sequence[float],
    measure: Callable[[float], float],
    beyond: Callable[[Mapping[float, float]], list[float]] = lambda _: [],
) -> float:
    """Return the rate of a method with the lowest validation loss, measuring what is missing."""
    table = Table(name)
    rows = (row for row in table.rows if row["method"] == method)
    losses = {float(row["rate"]): float(row["nats"]) for row in rows}
    missing = [rate for rate in rates if rate not in losses]
    while missing or (missing := beyond(losses)):
        rate = missing.pop(0)
        nats = measure(rate)
        losses[rate] = nats if isfinite(nats) else inf
        table.add({"method": method, "rate": rate, "nats": f"{losses[rate]:.4f}"})
    return min(sorted(losses), key=losses.__getitem__)


def beyond(losses: Mapping[float, float]) -> list[float]:
    """Return the next rate if the best one lies at an end of those tried, else nothing."""
    rates = sorted(losses)
    best = min(rates, key=losses.__getitem__)
    if best not in (rates[0], rates[-1]):
        return []
    inner = rates[1] if best == rates[0] else rates[-2]
    return [float(f"{best * best / inner:.3g}")]
