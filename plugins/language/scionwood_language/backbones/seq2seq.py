"""The backbone `language/seq2seq`: any model of transformers from sequence to sequence."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from scionwood_language.backbones.causal_lm import card_of, presets
from scionwood_language.model.tiny import TINY
from scionwood_language.model.weights import DTypes, load_model, load_tokenizer


def seq2seq(
    *, model: str = TINY, revision: str | None = None, dtype: DTypes = "float32"
) -> nn.Module:
    """Load a model with an encoder and a decoder, such as T5.

    Args:
        model: `tiny` (a T5 with random weights), a local folder, or owner/name on the hub.
        revision: a branch, tag or commit of a repository on the hub.
        dtype: the type of the weights.

    Shapes: input_ids (batch, token) and decoder_input_ids (batch, token) int64 to logits (batch,
        token, vocabulary).

    Units: none for logits; nats after log-softmax.

    Raises:
        WeightsError: the model cannot be loaded.

    Source: any model of transformers; the tiny one is ours.
    """
    loaded: Any = load_model(model, revision=revision, dtype=dtype, kind="seq2seq")
    loaded.tokenizer = load_tokenizer(model, revision=revision)
    loaded.adapter_targets = presets(loaded)
    loaded.card = card_of(loaded, model, revision, "none")
    loaded.example_input = partial(_example, loaded.config.vocab_size)
    network: nn.Module = loaded
    return network


def _example(vocabulary: int) -> tuple[Tensor, ...]:
    ids = torch.arange(2 * 12).view(2, -1) % vocabulary
    return ids, torch.ones_like(ids), ids[:, :6]
