"""The backbone `language/encoder`: any model of transformers with a masked head."""

from __future__ import annotations

from torch import nn

from scionwood import WeightsError
from scionwood_language.backbones.causal_lm import dressed
from scionwood_language.model.tiny import MODERN
from scionwood_language.model.weights import DTypes


def encoder(
    *, model: str = MODERN, revision: str | None = None, dtype: DTypes = "float32"
) -> nn.Module:
    """Load a bidirectional encoder with a masked head, such as BERT or ModernBERT.

    Args:
        model: `tiny-modernbert` (random weights), a local folder, or owner/name on the hub. `tiny`
            is the BERT of earlier runs: with its norms after the layers and absolute positions, it
            hardly learns masked diffusion.
        revision: a branch, tag or commit of a repository on the hub.
        dtype: the type of the weights.

    Shapes: input_ids (batch, token) int64 to logits (batch, token, vocabulary).

    Units: none for logits; nats after log-softmax.

    Raises:
        WeightsError: the model cannot be loaded, or its tokenizer has no mask token.

    Source: any model of transformers; the sizes of the tiny ones are ours.
    """
    loaded = dressed(model, revision=revision, dtype=dtype, kind="encoder")
    if loaded.tokenizer.mask_token_id is None:
        rule = "its tokenizer has no mask token"
        raise WeightsError(f"encoder {model!r}", rule, "Use a model that was trained with masks")
    network: nn.Module = loaded
    return network
