"""A masked diffusion model of characters beside its autoregressive twin of equal size.

    python benchmarks/language_diffusion.py      # half an hour on one core

Both are a ModernBERT of transformers with random weights, four layers of width 160, over bytes. The
twin has a causal mask and predicts the next byte; nothing else differs. They train on Python's
manual for the same steps of the same windows, with one rate that was fixed before. The test part
holds other topics. Diffusion gives an upper bound of the nats a byte, by
`language/masked_diffusion`. `--base BERT` takes a BERT of equal size instead, with its norms after
the layers and absolute positions, which was measured first.

Samples are read by words: a word is known if the training part of the manual has it. Counts of the
training text come first, and words of the test text are the limit. Rows that exist are kept.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import torch
from runner import SEEDS, Table, option, parsed
from study.corpus import manual, split_by_part
from study.texts import Grams
from torch import Tensor
from torch.nn import functional as F
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertLMHeadModel,
    ModernBertConfig,
    ModernBertDecoderConfig,
    ModernBertDecoderForCausalLM,
    ModernBertForMaskedLM,
)

from scionwood.authoring import minimise, warm_cosine
from scionwood_language.diffusion.sampling import sample
from scionwood_language.model.tiny import tiny_tokenizer
from scionwood_language.tasks.masked_diffusion import MaskedDiffusion

WIDTH, LAYERS, WINDOW, BATCH = 160, 4, 128, 16
STEPS, RATE, TESTED, SAMPLES = 1000, 2e-3, 64, 8
SAMPLING = (8, 32, 128)
SHARE = 0.9
"""The share of the counted bytes in the mixture with a uniform byte, so that none is impossible."""


def model_of(base: str, kind: str, seed: int) -> Any:
    """Return an encoder or its causal twin, with the tokenizer over bytes."""
    tokenizer = tiny_tokenizer()
    sizes: dict[str, Any] = {"vocab_size": len(tokenizer), "hidden_size": WIDTH}
    sizes |= {"num_hidden_layers": LAYERS, "num_attention_heads": 5}
    is_causal = kind == "autoregressive"
    torch.manual_seed(seed)
    if base == "BERT":
        sizes |= {"intermediate_size": 4 * WIDTH, "max_position_embeddings": WINDOW + 1}
        sizes |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        config: Any = BertConfig(**sizes, is_decoder=is_causal)
        model: Any = (BertLMHeadModel if is_causal else BertForMaskedLM)(config)
    else:
        # The width of the gated layers makes it as large as the BERT.
        sizes |= {"intermediate_size": 440, "layer_types": ["full_attention"] * LAYERS}
        sizes |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
        sizes |= {"cls_token_id": 1, "sep_token_id": 2, "tie_word_embeddings": True}
        if is_causal:
            model = ModernBertDecoderForCausalLM(ModernBertDecoderConfig(**sizes))
        else:
            model = ModernBertForMaskedLM(ModernBertConfig(**sizes))
    model.tokenizer = tokenizer
    return model


def windows(documents: Sequence[str], tokenizer: Any) -> Tensor:
    """Return the windows of documents, (window, byte) int64; none spans two documents."""
    rows = []
    for text in documents:
        ids = tokenizer(text, verbose=False)["input_ids"]
        rows += [ids[at : at + WINDOW] for at in range(0, len(ids) - WINDOW + 1, WINDOW)]
    return torch.tensor(rows)


def next_bytes(model: Any, rows: Tensor) -> Tensor:
    """Return the nats a byte of the twin; a start token stands before each window."""
    started = F.pad(rows, (1, 0), value=model.tokenizer.convert_tokens_to_ids("<|im_start|>"))
    logits = model(input_ids=started[:, :-1]).logits
    return F.cross_entropy(logits.flatten(0, 1), rows.flatten())


@torch.no_grad()
def continued(model: Any, count: int, seed: int) -> Tensor:
    """Return samples of the twin, byte after byte, (count, byte)."""
    generator = torch.Generator().manual_seed(seed)
    start = model.tokenizer.convert_tokens_to_ids("<|im_start|>")
    ids = torch.full((count, 1), start)
    for _ in range(WINDOW):
        chances = model(input_ids=ids).logits[:, -1].softmax(-1)
        ids = torch.cat([ids, torch.multinomial(chances, 1, generator=generator)], 1)
    return ids[:, 1:]


def known_share(texts: Sequence[str], words: set[str]) -> float:
    """Return the share of whole words, of three letters or more, that are known."""
    shares = [
        word.lower() for text in texts for word in re.findall(r"(?<=\W)[A-Za-z]{3,}(?=\W)", text)
    ]
    return sum(word in words for word in shares) / max(1, len(shares))


class Data:
    """Windows of Python's manual, and the words of its training part."""

    def __init__(self) -> None:
        parts = split_by_part(manual())
        self.tokenizer: Any = tiny_tokenizer()
        self.train = windows(parts["train"], self.tokenizer)
        test = windows(parts["test"], self.tokenizer)
        order = torch.randperm(len(test), generator=torch.Generator().manual_seed(0))
        self.test = test[order[:TESTED]]
        self.words = {
            word.lower() for text in parts["train"] for word in re.findall("[A-Za-z]+", text)
        }

    def share(self, ids: Tensor) -> str:
        """Return the share of known words of rows of bytes."""
        texts = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return f"{known_share(texts, self.words):.3f}"


def rows_of_counts(data: Data) -> list[dict[str, Any]]:
    """Return the rows without a network: single bytes, three bytes, and the test text itself."""
    counts = torch.bincount(data.train.flatten(), minlength=len(data.tokenizer)).float()
    chances = (counts + 0.1) / (counts + 0.1).sum()
    sample = torch.multinomial(chances, SAMPLES * WINDOW, True).view(SAMPLES, WINDOW)
    grams = Grams(data.train.tolist())
    after = torch.tensor([grams.sequence(row) for row in data.test.tolist()])
    nats = -(SHARE * after + (1 - SHARE) / len(data.tokenizer)).log().mean()
    rows = [
        ("counts of bytes", f"{-chances[data.test].log().mean():.3f}", data.share(sample)),
        ("counts of three bytes", f"{nats:.3f}", ""),
        ("the test text", "", data.share(data.test)),
    ]
    empty = {"seed": "", "training": "", "steps": "", "parameters": "", "s a step": ""}
    return [{"base": "", "model": n, **empty, "nats": v, "words": w} for n, v, w in rows]


def trained(base: str, kind: str, seed: int, data: Data) -> list[dict[str, Any]]:
    """Train a model, and return its rows."""
    model = model_of(base, kind, seed)
    task = MaskedDiffusion(model) if kind == "diffusion" else None
    generator = torch.Generator().manual_seed(seed)

    def measure(rows: Tensor) -> Tensor:
        return task.losses({"input_ids": rows})["loss"] if task else next_bytes(model, rows)

    def loss(step: int) -> Tensor:
        rows = data.train[torch.randint(len(data.train), (BATCH,), generator=generator)]
        with torch.autocast("cpu", torch.bfloat16):
            return measure(rows)

    network: Any = task or model
    network.train()
    start = time.process_time()
    plan = warm_cosine(STEPS)
    minimise(loss, model.parameters(), steps=STEPS, lr=RATE, schedule=plan, clip=1.0)
    pace = (time.process_time() - start) / STEPS
    network.eval()
    with torch.no_grad():
        nats = torch.stack([measure(rows) for rows in data.test.split(BATCH)]).mean()
    row = {"base": base, "model": kind, "seed": seed, "training": STEPS, "steps": ""}
    row |= {"parameters": model.num_parameters(), "s a step": f"{pace:.3f}", "nats": f"{nats:.3f}"}
    if task is None:
        return [row | {"words": data.share(continued(model, SAMPLES, seed))}]
    samples, nothing = [], torch.zeros(SAMPLES, 0, dtype=torch.long)
    for steps in SAMPLING:
        generator.manual_seed(seed)
        ids = sample(
            model, nothing, new=WINDOW, steps=steps, mask_id=task.mask_id, generator=generator
        )
        samples.append(row | {"steps": steps, "words": data.share(ids)})
    return samples


def main() -> None:
    options = parsed(
        __doc__,
        SEEDS,
        option("--base", choices=("ModernBERT", "BERT"), default="ModernBERT"),
    )
    data, table = Data(), Table("language_diffusion")
    if not table.rows:
        table.add(*rows_of_counts(data))
    for seed in options.seeds:
        for kind in ("diffusion", "autoregressive"):
            if not table.has(base=options.base, model=kind, seed=seed, training=STEPS):
                table.add(*trained(options.base, kind, seed, data))


if __name__ == "__main__":
    main()
