"""The backbone `language/reward_model`: a language model that writes one number for a text."""

from __future__ import annotations

from torch import nn

from scionwood_language.backbones.causal_lm import dressed
from scionwood_language.model.tiny import TINY
from scionwood_language.model.weights import DTypes, Quantize


def reward_model(
    *,
    model: str = TINY,
    revision: str | None = None,
    quantize: Quantize = "none",
    dtype: DTypes = "float32",
) -> nn.Module:
    """Load a language model of transformers with a score in place of its output layer.

    The score is new, so it trains beside the adapter, as the head.

    Args:
        model: the language model, named as for `language/causal_lm`.
        revision: a branch, tag or commit of a repository on the hub.
        quantize: nf4 stores linear layers in four bits. It needs bitsandbytes.
        dtype: the type of the weights that are not quantised.

    Shapes: input_ids (batch, token) int64 to logits (batch, 1), at the last token of each text.

    Units: a reward without unit; only differences between answers to one prompt mean anything.

    Raises:
        WeightsError: the model cannot be loaded.
        PluginError: nf4 needs bitsandbytes, which is missing; see `scionwood.quantize`.

    Source: N. Stiennon et al., arXiv:2009.01325, section 3.4; the classes of transformers.
    """
    loaded = dressed(model, revision=revision, quantize=quantize, dtype=dtype, kind="reward")
    # The score is read at the last token that is no padding.
    loaded.config.pad_token_id = loaded.tokenizer.pad_token_id
    loaded.head = ("score",)
    network: nn.Module = loaded
    return network
