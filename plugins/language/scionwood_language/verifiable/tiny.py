"""The tiny offline pair: character-level language models of transformers, and their tokens."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import as_file, files
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from scionwood import load_weights

CHARACTERS = "0123456789=."
"""The vocabulary: digits, the character that ends a prompt, and the one that ends an answer."""

END = CHARACTERS.index(".")
WEIGHTS = "tiny_base.safetensors"
BASE: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
REASONER: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}


def tiny_model(sizes: Mapping[str, Any], seed: int) -> LlamaForCausalLM:
    """Return a small Llama over `CHARACTERS`, with random weights of a seed of its own."""
    ends: dict[str, Any] = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"))
    config = LlamaConfig(
        vocab_size=len(CHARACTERS),
        max_position_embeddings=64,
        num_attention_heads=sizes["hidden_size"] // 16,
        **ends,
        **sizes,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: LlamaForCausalLM = LlamaForCausalLM(config).eval()
    return model


def tiny_base() -> LlamaForCausalLM:
    """Return the base with the weights that the package ships, in float32."""
    model = tiny_model(BASE, 0)
    with as_file(files("scionwood_language") / "verifiable" / "weights" / WEIGHTS) as path:
        load_weights(model, path)
    return model


def encode(text: str) -> list[int]:
    """Return the tokens of a text, one for each character."""
    return [CHARACTERS.index(character) for character in text]
