"""Make the tiny language model and its tokenizer: fluent, and without any sense of address.

`python -m scionwood_bangla.model.pretrain` repeats what made the files that ship, in some
minutes of one core. In its texts no person is addressed twice in a row at one level, so that
whatever sense of address an adapter shows was learned by the adapter.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from os.path import commonprefix
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from scionwood import atomic_path
from scionwood_bangla.generator.make import stream
from scionwood_bangla.lexicon import LEVELS, TENSES, inflect, verb_names
from scionwood_bangla.model.weights import FOLDER
from scionwood_bangla.text.normalise import BENGALI
from scionwood_bangla.text.templates import IGNORED, encode

VOCABULARY = 4096
WINDOW = 512
STEPS, BATCH, RATE = 2400, 32, 3e-3
SPECIAL = ("<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>")

# A word of letters and marks with the space before it: without \p{M} every vowel sign would split
# it, which is what costs other tokenizers six tokens a Bangla word.
WORDS = r" ?[\p{L}\p{M}\x{200c}\x{200d}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s+"

_WORD = re.compile(f"[{BENGALI}]+")

TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def train_tokenizer(texts: Iterator[str], *, vocabulary: int = VOCABULARY) -> Any:
    """A byte-level BPE over Bangla words.

    Args:
        texts: to learn merges from.
        vocabulary: entries.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, letters])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=SPECIAL[0],
        bos_token=SPECIAL[1],
        eos_token=SPECIAL[2],
        model_max_length=WINDOW,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    return fast


def texts(seed: int, count: int) -> Iterator[str]:
    """What the tokenizer learns from: the generator's texts, and the verbs of the lexicon.

    Verb forms are cut where their level shows, so that no merge crosses that place: `জানাবি`, `জানাবে`
    and `জানাবেন` share their first token, and their endings are shared by all verbs.

    Args:
        seed: of the texts.
        count: conversations.
    """
    drawn = stream(Random(seed), "all", scrambled=True)
    for _ in range(count):
        for message in next(drawn).messages:
            yield from cut(message.content)
    for form in _cuts():
        yield from cut(f" {form}")


def cut(text: str) -> list[str]:
    """A text in pieces: each of its verb forms ends a piece where its level begins to show.

    Args:
        text: normalised.
    """
    return _WORD.sub(lambda match: _cuts().get(match[0], match[0]), text).split("\0")


@cache
def _cuts() -> dict[str, str]:
    # Each form of an addressee with a mark behind what the three levels have in common; of a form
    # of two tenses the longer part counts.
    stems: dict[str, str] = {}
    for verb, tense in product(verb_names(), TENSES):
        group = [form for level in LEVELS for form in inflect(verb, tense, level)[:1]]
        if len(group) == len(LEVELS):
            stem = commonprefix(group)  # noqa: RUF071 - by characters, since these are no paths
            for form in group:
                stems[form] = max(stem, stems.get(form, ""), key=len)
    marked = ((form, f"{stem}\0{form[len(stem) :]}") for form, stem in stems.items())
    return {form: cut for form, cut in marked if cut.strip("\0") == cut}


def tiny_model(vocabulary: int, seed: int) -> LlamaForCausalLM:
    """A Llama of four layers of width 128 with random weights; 1.3 million with 4,096 entries.

    Args:
        vocabulary: entries.
        seed: of the weights.
    """
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=WINDOW,
        tie_word_embeddings=True,
        pad_token_id=SPECIAL.index("<pad>"),
        bos_token_id=SPECIAL.index("<s>"),
        eos_token_id=SPECIAL.index("</s>"),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def pretrain(
    tokenizer: Any,
    *,
    steps: int = STEPS,
    seed: int = 0,
    report: Callable[[int, float], None] | None = None,
) -> LlamaForCausalLM:
    """Train the tiny model on wavering texts, prompts included.

    Args:
        tokenizer: of `train_tokenizer`.
        steps: optimiser steps (AdamW, one cycle), 32 texts each.
        seed: seeds weights and texts.
        report: is told the step and its loss, nats a token.
    """
    model = tiny_model(len(tokenizer), seed).train()
    batches = _batches(tokenizer, Random(seed))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps, pct_start=0.1)
    for step in range(steps):
        ids, mask = next(batches)
        labels = ids.masked_fill(~mask, IGNORED)
        loss = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        cycle.step()
        if report is not None:
            report(step, loss.item())
    return model.eval()


def main() -> None:
    """Train tokenizer and model, and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()

    def report(step: int, loss: float) -> None:
        done = step + 1
        if done % 50 == 0 or done == options.steps:
            left = (time.monotonic() - began) / done * (options.steps - done) / 60
            print(f"step {done}: {loss:.4f} nats a token, {left:.1f} min left", flush=True)

    tokenizer = train_tokenizer(texts(options.seed, 20_000))
    model = pretrain(tokenizer, steps=options.steps, seed=options.seed, report=report)
    save(model, tokenizer, options.out)


def save(model: LlamaForCausalLM, tokenizer: Any, folder: Path) -> None:
    """Write a folder that transformers opens, the weights in half precision.

    Args:
        model: whose output layer is tied to its embeddings.
        tokenizer: of `train_tokenizer`.
        folder: made where it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.config.dtype = torch.float16
    model.config.architectures = ["LlamaForCausalLM"]
    model.config.save_pretrained(folder)
    tied = "lm_head.weight"
    state = {n: x.half().contiguous() for n, x in model.state_dict().items() if n != tied}
    with atomic_path(folder / "model.safetensors") as part:
        save_file(state, part, metadata={"format": "pt"})


def _batches(tokenizer: Any, random: Random) -> Iterator[tuple[Tensor, Tensor]]:
    # Texts of like length together, so that little is padded.
    drawn = stream(random, "all", scrambled=True)
    while True:
        rows = [encode(tokenizer, next(drawn)).input_ids for _ in range(8 * BATCH)]
        rows.sort(key=len)
        groups = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        random.shuffle(groups)
        for group in groups:
            ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in group], batch_first=True)
            lengths = torch.tensor([len(row) for row in group])
            yield ids, torch.arange(ids.shape[1]) < lengths[:, None]


if __name__ == "__main__":
    main()
