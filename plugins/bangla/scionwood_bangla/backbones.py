"""The backbone that recipes name: any causal language model of transformers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from scionwood import WeightsError
from scionwood_bangla.model.weights import TINY, DTypes, Quantize, load_model, load_tokenizer

ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
MLP = re.compile(r"mlp|ffn|feed_forward|moe|experts", re.IGNORECASE)
LINEAR = ("Linear", "Conv1D", "Linear4bit")
"""Types of layer that a preset may name; Conv1D is GPT-2's."""


def causal_lm(
    *,
    model: str = TINY,
    revision: str | None = None,
    quantize: Quantize = "none",
    dtype: DTypes = "float32",
    checkpointing: bool = False,
) -> nn.Module:
    """A causal language model of transformers with its tokenizer, as `model.tokenizer`.

    Presets of targets are `attention`, `mlp` and `all-linear`, found in the model itself; the
    output layer is in none of them.

    Args:
        model: `tiny` (1.3 million parameters, ships with the package), a local folder, or
            owner/name on the hub; weights in safetensors only, no code of the repository runs.
        revision: of a repository: a branch, tag or commit.
        quantize: nf4 loads linear layers in four bits; needs bitsandbytes and a CUDA device.
        dtype: of the weights that are not quantised.
        checkpointing: compute activations anew in the backward pass, which saves memory.

    Shapes: input_ids (batch, token) int64 to logits (batch, token, vocabulary).

    Units: logits without unit; nats after log-softmax.

    Raises:
        WeightsError: the model cannot be had, or has no linear layers that an adapter could go to.
        PluginError: nf4 without a CUDA device or without bitsandbytes.

    Source: the tiny model is ours, see `weights/README.md`; NF4 is that of QLoRA, arXiv:2305.14314.
    """
    loaded = load_model(model, revision=revision, quantize=quantize, dtype=dtype)
    loaded.tokenizer = load_tokenizer(model, revision=revision)
    loaded.adapter_targets = presets(loaded)
    loaded.card = _card(loaded, model, revision, quantize)
    loaded.example_input = partial(_example, loaded.config.vocab_size)
    if checkpointing:
        # transformers 5.23 gave it another name
        newest = getattr(loaded, "activation_checkpointing_enable", None)
        (newest or loaded.gradient_checkpointing_enable)({"use_reentrant": False})
    found: nn.Module = loaded
    return found


def presets(model: Any) -> dict[str, str]:
    """Patterns for the linear layers of attention, of the networks between, and of both.

    Args:
        model: a language model; its output layer is left out.

    Raises:
        WeightsError: it has no linear layer.
    """
    found = list(_linear(model))
    if not found:
        rule = f"{type(model).__name__} has no linear layers that an adapter could go to"
        raise WeightsError("language model", rule, "Take a decoder of the usual kind")
    groups = {
        "attention": [tail for tail in found if ATTENTION.search(tail[0])],
        "mlp": [tail for tail in found if MLP.search(tail[0])],
        "all-linear": found,
    }
    return {name: _pattern(tails) for name, tails in groups.items() if tails}


def _linear(model: Any) -> Iterator[tuple[str, str]]:
    # Each kind of layer once, as the names of its parent and of itself.
    seen = set()
    for name, module in model.named_modules():
        if type(module).__name__ not in LINEAR or module is model.get_output_embeddings():
            continue
        tail = tuple(name.rsplit(".", 2)[-2:])
        if tail not in seen and len(tail) == 2:
            seen.add(tail)
            yield tail[0], tail[1]


def _pattern(tails: list[tuple[str, str]]) -> str:
    words = [rf"{re.escape(parent)}\.{re.escape(own)}" for parent, own in tails]
    return rf".*\.({'|'.join(words)})"


def _card(loaded: Any, model: str, revision: str | None, quantize: str) -> dict[str, str]:
    shown = Path(model).name if Path(model).is_dir() else model
    tiny = model == TINY
    return {
        "architecture": f"{loaded.config.model_type}, {loaded.num_parameters():,} parameters",
        "weights": "shipped, made here" if tiny else f"{shown}, {revision or 'main'}",
        "quantisation": quantize,
        "licence": "Apache-2.0" if tiny else "see the model's own card",
    }


def _example(vocabulary: int) -> tuple[Tensor, ...]:
    return (torch.arange(2 * 12).view(2, -1) % vocabulary,)
