"""Pretrain the tiny language model and its tokenizer on texts with inconsistent levels of address.

`python -m scionwood_bangla.model.pretrain` reproduces the shipped files in a few minutes on one
core. In the texts the level usually changes from one word of address to the next. So an adapter on
this model must itself learn any consistent level of address.
"""

from __future__ import annotations

import argparse
import re
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

from scionwood.authoring import atomic_path, minimise, one_cycle
from scionwood_bangla.generator.make import stream
from scionwood_bangla.lexicon import LEVELS, TENSES, inflect, verb_names
from scionwood_bangla.model.weights import FOLDER, plain
from scionwood_bangla.text.normalise import BENGALI
from scionwood_language import IGNORED, encode

VOCABULARY = 4096
WINDOW = 512
STEPS, BATCH, RATE = 2400, 32, 3e-3
SPECIAL = ("<pad>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>")

# A word consists of letters and marks, with the space before it. Without \p{M} every vowel sign
# would split the word: this is why other tokenizers need six tokens per Bangla word.
WORDS = r" ?[\p{L}\p{M}\x{200c}\x{200d}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+|\s+"

_WORD = re.compile(f"[{BENGALI}]+")

TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def train_tokenizer(texts: Iterator[str], *, vocabulary: int = VOCABULARY) -> Any:
    """Train a byte-level BPE tokenizer on Bangla words.

    Args:
        texts: the training texts.
        vocabulary: the number of entries.
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
    """Yield the training texts of the tokenizer: generated texts, and the forms of all verbs.

    Verb forms are cut where their level begins to show, so that no merge crosses this position:
    `জানাবি`, `জানাবে` and `জানাবেন` share their first token, and all verbs share the endings.

    Args:
        seed: the seed of the texts.
        count: the number of conversations.
    """
    examples = stream(Random(seed), "all", scrambled=True)
    for _ in range(count):
        for message in next(examples).messages:
            yield from cut(message.content)
    for form in _cuts():
        yield from cut(f" {form}")


def cut(text: str) -> list[str]:
    """Split a text inside each verb form, where its level begins to show.

    Args:
        text: the normalised text.
    """
    return _WORD.sub(lambda match: _cuts().get(match[0], match[0]), text).split("\0")


@cache
def _cuts() -> dict[str, str]:
    # Each second-person form, with a mark after the prefix that the three levels share. A form of
    # two tenses gets the longer prefix.
    stems: dict[str, str] = {}
    for verb, tense in product(verb_names(), TENSES):
        group = [form for level in LEVELS for form in inflect(verb, tense, level)[:1]]
        if len(group) == len(LEVELS):
            stem = commonprefix(group)  # noqa: RUF071 - by characters, since these are not paths
            for form in group:
                stems[form] = max(stem, stems.get(form, ""), key=len)
    marked = ((form, f"{stem}\0{form[len(stem) :]}") for form, stem in stems.items())
    return {form: cut for form, cut in marked if cut.strip("\0") == cut}


def tiny_model(vocabulary: int, seed: int) -> LlamaForCausalLM:
    """Return a Llama with random weights: four layers of width 128, 1.3 million parameters.

    Args:
        vocabulary: the number of entries of the tokenizer, 4,096 for 1.3 million parameters.
        seed: the seed of the weights.
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
    label: str = "",
    report: Callable[[int, float], None] | None = None,
) -> LlamaForCausalLM:
    """Train the tiny model on texts with inconsistent levels of address, prompts included.

    Args:
        tokenizer: the tokenizer of `train_tokenizer`.
        steps: the number of optimiser steps (AdamW, one-cycle schedule), 32 texts each.
        seed: the seed of weights and texts.
        label: the name of the progress on stderr. An empty label shows no progress.
        report: called with the step and its loss, nats per token.
    """
    model = tiny_model(len(tokenizer), seed)
    model.train()
    batches = _batches(tokenizer, Random(seed))

    def loss(step: int) -> Tensor:
        ids, mask = next(batches)
        labels = ids.masked_fill(~mask, IGNORED)
        output = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False)
        value: Tensor = output.loss
        return value

    minimise(
        loss,
        model.parameters(),
        label=label,
        report=report,
        steps=steps,
        lr=RATE,
        weight_decay=0.01,
        schedule=one_cycle(steps),
        clip=1.0,
    )
    model.train(False)
    return model


def main() -> None:
    """Train the tokenizer and the model, and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tokenizer = train_tokenizer(texts(options.seed, 20_000))
    model = pretrain(tokenizer, steps=options.steps, seed=options.seed, label="pretraining")
    save(model, tokenizer, options.folder)


def save(model: LlamaForCausalLM, tokenizer: Any, folder: str | Path) -> None:
    """Write a folder for transformers, with the weights in half precision.

    Args:
        model: a model whose output layer is tied to its embeddings.
        tokenizer: the tokenizer of `train_tokenizer`.
        folder: the folder. It is created if it does not exist.
    """
    folder = Path(folder)
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
    # Texts of similar length are in one batch, so that there is little padding.
    conversations = stream(random, "all", scrambled=True)
    while True:
        talks = [plain(next(conversations).messages) for _ in range(8 * BATCH)]
        rows = [encode(tokenizer, talk).input_ids for talk in talks]
        rows.sort(key=len)
        groups = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        random.shuffle(groups)
        for group in groups:
            ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in group], batch_first=True)
            lengths = torch.tensor([len(row) for row in group])
            yield ids, torch.arange(ids.shape[1]) < lengths[:, None]


if __name__ == "__main__":
    main()
