"""Make the weights of the tiny base: a language model that puts digits in one of three orders.

`python benchmarks/unir_base.py` repeats the training of the shipped weights, in about half a minute
on one core.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

import scionwood_language
from scionwood.authoring import atomic_path, minimise
from scionwood_language.verifiable.prompts import ORDERS, answer, strings
from scionwood_language.verifiable.tiny import BASE, WEIGHTS, encode, tiny_model

LENGTH, BATCH, RATE, STEPS, SEED = 5, 128, 3e-3, 1200, 0


def main() -> None:
    """Train on texts with random orders, which nothing in a prompt tells; write the weights."""
    model = tiny_model(BASE, SEED).train()
    generator = torch.Generator().manual_seed(SEED)
    pool = strings(LENGTH, pretraining=True)

    def loss(step: int) -> Tensor:
        """Return the cross entropy of the answers, nats a token: at best ln(3) / 6."""
        orders = torch.randint(len(ORDERS), (BATCH,), generator=generator).tolist()
        digits = [pool[at] for at in torch.randint(len(pool), (BATCH,), generator=generator)]
        rows = [(text, answer(text, ORDERS[o])) for text, o in zip(digits, orders, strict=True)]
        texts = torch.tensor([encode(f"{text}={right}.") for text, right in rows])
        # From the `=` at LENGTH on, which predicts the first token of the answer.
        logits = model(input_ids=texts[:, :-1], use_cache=False).logits[:, LENGTH:]
        return F.cross_entropy(logits.flatten(0, 1), texts[:, LENGTH + 1 :].flatten())

    minimise(
        loss,
        model.parameters(),
        steps=STEPS,
        lr=RATE,
        weight_decay=0.01,
        schedule=lambda optimizer: OneCycleLR(optimizer, RATE, STEPS, pct_start=0.1),
        clip=1.0,
        label="tiny base",
    )
    state = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    with atomic_path(
        Path(scionwood_language.__file__).parent / "verifiable" / "weights" / WEIGHTS
    ) as part:
        save_file(state, part, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
