"""The tiny offline pair: character-level language models of transformers, and their tokens."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import as_file, files
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

CHARACTERS = "0123456789=."
"""The vocabulary: digits, the sign that ends a prompt, and the one that ends an answer."""

END = CHARACTERS.index(".")
WEIGHTS = "tiny_base.safetensors"
BASE: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
REASONER: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
POSITIONS = 64


def tiny_model(sizes: Mapping[str, Any], seed: int) -> LlamaForCausalLM:
    """A small Llama over `CHARACTERS` with random weights; the global generator is left alone.

    Args:
        sizes: `BASE` (83,776 parameters) or `REASONER` (11,104).
        seed: of the weights.
    """
    heads = sizes["hidden_size"] // 16
    config = LlamaConfig(
        vocab_size=len(CHARACTERS),
        max_position_embeddings=POSITIONS,
        num_attention_heads=heads,
        pad_token_id=None,
        bos_token_id=None,
        eos_token_id=None,
        **sizes,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def tiny_base() -> LlamaForCausalLM:
    """The base with the weights that ship, float32."""
    model = tiny_model(BASE, 0)
    with as_file(files("scionwood_methods") / "verifiable" / "weights" / WEIGHTS) as path:
        state = {name: value.float() for name, value in load_file(path).items()}
    model.load_state_dict(state)
    return model


def encode(text: str) -> list[int]:
    """The tokens of a text, one a character."""
    return [CHARACTERS.index(character) for character in text]
