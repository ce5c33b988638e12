"""The tiny models over bytes, with random weights, built in a hundredth of a second.

They are for tests and for trying a recipe. They have learned nothing.
"""

from __future__ import annotations

from typing import Any, Literal

import torch

from scionwood import WeightsError

TINY = "tiny"
"""The name of the tiny model in place of a folder or a repository."""

MODERN = "tiny-modernbert"
"""The name of the tiny encoder for masked diffusion; `tiny` stays the BERT of earlier runs."""

TINIES = (TINY, MODERN)

Kind = Literal["causal", "encoder", "seq2seq", "reward"]
"""A causal language model, a masked one, one from sequence to sequence, or a reward model."""

_FAMILIES: dict[tuple[str, Kind], str] = {
    (TINY, "causal"): "llama",
    (TINY, "reward"): "llama",
    (TINY, "encoder"): "bert",
    (TINY, "seq2seq"): "t5",
    (MODERN, "encoder"): "modernbert",
}
SPECIAL = ("<|pad|>", "<|im_start|>", "<|im_end|>", "<|mask|>")
WINDOW = 1024
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}"
    "{% endgeneration %}{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""The ChatML template without a system turn that nobody wrote. It marks the answers."""


def tiny_tokenizer() -> Any:
    """Return a tokenizer with one token for each byte, and four special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(
        models.BPE({token: at for at, token in enumerate((*SPECIAL, *letters))}, [])
    )
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(SPECIAL))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=SPECIAL[0],
        eos_token=SPECIAL[2],
        mask_token=SPECIAL[3],
        additional_special_tokens=[SPECIAL[1]],
        model_max_length=WINDOW,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def tiny_model(kind: Kind = "causal", seed: int = 0, name: str = TINY) -> Any:
    """Return a model of two layers of width 64 with random weights.

    Raises:
        WeightsError: no tiny model of this name is of this kind.
    """
    from transformers import AutoConfig

    if (name, kind) not in _FAMILIES:
        raise WeightsError(f"model {name!r}", f"it is an encoder, not {kind}", f"Name `{TINY}`")
    sizes: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 4, "max_position_embeddings": WINDOW}
    if name == MODERN:
        # Global attention in both layers; 96 of its gated units are as large as 128 plain ones.
        sizes |= {"intermediate_size": 96, "layer_types": ["full_attention"] * 2}
        sizes |= {"cls_token_id": None, "sep_token_id": None}
    elif kind == "encoder":
        sizes |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    if kind == "seq2seq":
        sizes = {"d_model": 64, "d_ff": 128, "d_kv": 16, "num_layers": 2, "num_heads": 4}
        sizes |= {"dropout_rate": 0.0, "decoder_start_token_id": 0}
    if kind == "reward":
        sizes |= {"num_labels": 1}
    config = AutoConfig.for_model(
        _FAMILIES[name, kind],
        vocab_size=len(SPECIAL) + 256,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=2,
        **sizes,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return auto_class(kind).from_config(config)


def auto_class(kind: Kind) -> Any:
    """Return the class of transformers that loads models of a kind."""
    import transformers

    names = {
        "causal": "AutoModelForCausalLM",
        "encoder": "AutoModelForMaskedLM",
        "seq2seq": "AutoModelForSeq2SeqLM",
        "reward": "AutoModelForSequenceClassification",
    }
    return getattr(transformers, names[kind])
