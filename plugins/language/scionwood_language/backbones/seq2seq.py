"""The backbone `language/seq2seq`: any model of transformers from sequence to sequence."""

from __future__ import annotations

from torch import nn

from scionwood_language.backbones.causal_lm import dressed
from scionwood_language.model.tiny import TINY
from scionwood_language.model.weights import DTypes


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
    network: nn.Module = dressed(model, revision=revision, dtype=dtype, kind="seq2seq")
    return network
