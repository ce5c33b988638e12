"""Make the weights of the tiny base: a language model that puts digits in one of three orders.

`python -m scionwood_language.verifiable.pretrain` repeats the training of the shipped weights, in
about half a minute on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor
from transformers import LlamaForCausalLM

from scionwood.authoring import atomic_path, minimise, one_cycle
from scionwood_language.verifiable.prompts import ORDERS, Order, answer, strings
from scionwood_language.verifiable.tiny import BASE, WEIGHTS, encode, tiny_model

LENGTH, BATCH, RATE = 5, 128, 3e-3


def lines(digits: Sequence[str], orders: Sequence[Order]) -> Tensor:
    """Return texts such as `31425=12345.` as tokens, (n, 2 length + 2) int64.

    Args:
        digits: the digits of each prompt.
        orders: the order of each answer.
    """
    pairs = zip(digits, orders, strict=True)
    return torch.tensor([encode(f"{text}={answer(text, order)}.") for text, order in pairs])


def pretrain(
    *, steps: int, seed: int = 0, report: Callable[[int, float], None] | None = None
) -> LlamaForCausalLM:
    """Train the base on texts with random orders; nothing in a prompt tells the order.

    The loss is the cross entropy of the answer's tokens. Its lowest value is ln(3) / 6 nats a
    token.

    Args:
        steps: optimiser steps (AdamW, one cycle), with 128 texts each.
        seed: the seed of weights and texts.
        report: is called with each step and its loss in nats a token.
    """
    model = tiny_model(BASE, seed)
    model.train()
    generator = torch.Generator().manual_seed(seed)
    pool = strings(LENGTH, pretraining=True)

    def loss(step: int) -> Tensor:
        orders = torch.randint(len(ORDERS), (BATCH,), generator=generator).tolist()
        picks = torch.randint(len(pool), (BATCH,), generator=generator).tolist()
        texts = lines([pool[pick] for pick in picks], [ORDERS[order] for order in orders])
        # From the `=` at LENGTH on, which predicts the first token of the answer.
        logits = model(input_ids=texts[:, :-1], use_cache=False).logits[:, LENGTH:]
        return F.cross_entropy(logits.flatten(0, 1), texts[:, LENGTH + 1 :].flatten())

    minimise(
        loss,
        model.parameters(),
        steps=steps,
        lr=RATE,
        weight_decay=0.01,
        schedule=one_cycle(steps),
        clip=1.0,
        report=report,
    )
    model.eval()
    return model


@torch.no_grad()
def shares(model: LlamaForCausalLM, *, count: int = 1000, seed: int = 0) -> dict[Order, float]:
    """Return how often a sampled answer is right by each order, on strings not used in training.

    Args:
        model: the base.
        count: the number of prompts.
        seed: the seed of the samples.
    """
    digits = strings(LENGTH, pretraining=False)[:count]
    texts = {order: lines(digits, [order] * count) for order in ORDERS}
    tokens = texts[ORDERS[0]][:, : LENGTH + 1]
    generator = torch.Generator().manual_seed(seed)
    while tokens.shape[1] < 2 * LENGTH + 2:
        chances = model(input_ids=tokens, use_cache=False).logits[:, -1].softmax(-1)
        tokens = torch.cat([tokens, torch.multinomial(chances, 1, generator=generator)], 1)
    return {order: (tokens == text).all(1).float().mean().item() for order, text in texts.items()}


def main() -> None:
    """Train, write the weights, and print how often each order occurs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "weights")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    def report(step: int, loss: float) -> None:
        if step % 100 == 0 or step + 1 == options.steps:
            print(f"step {step}: {loss:.4f} nats a token", flush=True)

    model = pretrain(steps=options.steps, seed=options.seed, report=report)
    state = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    with atomic_path(options.out / WEIGHTS) as part:
        save_file(state, part, metadata={"format": "pt"})
    for order, share in shares(model).items():
        print(f"{order}: {share:.3f} of the samples")


if __name__ == "__main__":
    main()
