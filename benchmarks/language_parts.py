"""The last blocks of SmolLM2 on states that are computed once: training, losses and exact answers.

The benchmarks of the language plugin share it. Adapters act in the last blocks only. What stands
before them never changes, so its states are kept, and a step costs a fraction of a whole one.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, final

import torch
from lora.memory import kept_by
from lora.timing import machine
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from scionwood import parameter_groups
from scionwood.authoring import minimise, warm_cosine
from scionwood_language.chat.templates import IGNORED, encode, end_of_turn
from scionwood_language.tasks.losses import completion_loss, select_learned

RESULTS = Path(__file__).parent / "results"
LAYERS = r"layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
"""All linear layers of the tail."""

EVERY = 16
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
    turned = rotary(hidden, places)
    for layer in layers:
        hidden = layer(hidden, position_ids=places, position_embeddings=turned)
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
        for start in range(0, len(self), EVERY):
            yield self.batch(range(start, min(start + EVERY, len(self))))


def examples(model: Any, tokenizer: Any, talks: Sequence[Turns], blocks: int) -> Examples:
    """Return conversations as states before the last `blocks` blocks; the last turn is learned."""
    codes = [encode(tokenizer, talk) for talk in talks]
    labels = [torch.tensor(code.labels) for code in codes]
    return Examples(before(model, [code.input_ids for code in codes], blocks), labels)


@torch.no_grad()
def before(model: Any, ids: Sequence[Sequence[int]], blocks: int) -> list[Tensor]:
    """Return the states before the last `blocks` blocks, (token, width) for each text."""
    inner, made = model.model, []
    for start in range(0, len(ids), EVERY):
        some = [torch.tensor(row) for row in ids[start : start + EVERY]]
        with torch.autocast("cpu", torch.bfloat16):
            hidden = inner.embed_tokens(pad_sequence(some, True))
            hidden = _through(list(inner.layers)[:-blocks], inner.rotary_emb, hidden)
        made += [h[: len(i)].to(torch.bfloat16) for h, i in zip(hidden, some, strict=True)]
    return made


class Pace(NamedTuple):
    """CPU seconds of a step, and MiB that its forward pass keeps for the backward pass."""

    seconds: float
    mib: float


def train(
    tail: nn.Module,
    head: Callable[[Tensor], Tensor],
    known: Examples,
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
        order += random.sample(range(len(known)), len(known))
    tail.train()
    with torch.autocast("cpu", torch.bfloat16):
        kept = kept_by(tail, known.batch(order[:batch])[0])
    times = [time.process_time()]

    def loss(step: int) -> Tensor:
        hidden, labels = known.batch(order[step * batch : (step + 1) * batch])
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
    return Pace(spent[len(spent) // 2], kept / 2**20)


class Judged(NamedTuple):
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
    tail: nn.Module, head: Callable[[Tensor], Tensor], asked: Examples, tokenizer: Any
) -> Judged:
    """Return the loss of answers, and where greedy decoding would leave them.

    Greedy decoding writes an answer if and only if each of its tokens is the most probable one
    after those before it, so that nothing has to be generated.
    """
    tail.eval()
    total, count, exact, begun = 0.0, 0, list[bool](), list[str]()
    ends = end_of_turn(tokenizer)
    for hidden, labels in asked.batches():
        with torch.autocast("cpu", torch.bfloat16):
            states, targets = select_learned(tail(hidden), labels)
            logits = head(states).float()
        total += float(F.cross_entropy(logits, targets, reduction="sum"))
        count += len(targets)
        sizes = (labels[:, 1:] != IGNORED).sum(1).tolist()
        pairs = zip(logits.argmax(1).split(sizes), targets.split(sizes), strict=True)
        for own, wanted in pairs:
            size = wanted.tolist().index(ends) + 1
            wrong = (own[:size] != wanted[:size]).nonzero()
            exact.append(not len(wrong))
            until = size if exact[-1] else int(wrong[0]) + 1
            begun.append(tokenizer.decode(own[:until], skip_special_tokens=True))
    return Judged(total / count, exact, begun)


@torch.no_grad()
def loss_of(tail: nn.Module, head: Callable[[Tensor], Tensor], some: Examples) -> float:
    """Return the loss of examples, nats a learned token."""
    tail.eval()
    total, count = 0.0, 0
    for hidden, labels in some.batches():
        with torch.autocast("cpu", torch.bfloat16):
            states, targets = select_learned(tail(hidden), labels)
            total += float(F.cross_entropy(head(states).float(), targets, reduction="sum"))
        count += len(targets)
    return total / count


def read(name: str) -> list[dict[str, str]]:
    """Return the rows of a file of results; none if there is no file."""
    path = RESULTS / f"{name}.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append(name: str, row: Mapping[str, Any]) -> None:
    """Add a row to a file of results, and print it."""
    path, every = RESULTS / f"{name}.csv", dict(row) | machine("cpu")
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(every), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(every)
    print(*row.values(), sep="\t", flush=True)
