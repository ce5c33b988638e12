"""The form in which other programs run a language model: tokens to logits, without a cache."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

from scionwood.authoring import Deployed, Normalisation, Signal


@final
class Logits(nn.Module):
    """A model as tokens to logits, without what transformers returns beside them.

    Args:
        model: a model of transformers, with or without an adapter.
        options: more arguments of each call, such as `use_cache=False` for a causal model.
    """

    def __init__(self, model: nn.Module, **options: bool) -> None:
        super().__init__()
        self.model, self.options = model, options

    def forward(self, input_ids: Tensor) -> Tensor:
        """Map (batch, token) int64 to (batch, token, vocabulary)."""
        logits: Tensor = self.model(input_ids=input_ids, **self.options).logits
        return logits


@final
class Seq2SeqLogits(nn.Module):
    """An encoder and a decoder as tokens to logits.

    Args:
        model: a model of transformers, with or without an adapter.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, decoder_ids: Tensor) -> Tensor:
        """Map tokens, mask and the answer so far, each (batch, token) int64, to logits."""
        out = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_ids,
            use_cache=False,
        )
        logits: Tensor = out.logits
        return logits


def deployed_encoder(backbone: nn.Module) -> Deployed:
    """Return an encoder or a reward model for export.

    Args:
        backbone: a model of `language/encoder` or `language/reward_model`.
    """
    model: Any = backbone
    return Deployed(Logits(backbone), model.example_input())


def deployed_seq2seq(backbone: nn.Module) -> Deployed:
    """Return a model from sequence to sequence for export.

    Args:
        backbone: a model of `language/seq2seq`, with or without an adapter.
    """
    model: Any = backbone
    return Deployed(Seq2SeqLogits(backbone), model.example_input())


def deployed(backbone: nn.Module) -> Deployed:
    """Return a language model for export; the batch and the number of tokens are free.

    Args:
        backbone: a model of `language/causal_lm`, with or without an adapter.
    """
    model: Any = backbone
    return Deployed(
        Logits(backbone, use_cache=False),
        model.example_input(),
        inputs=(Signal("input_ids", ("batch", "token"), "token numbers"),),
        outputs=(Signal("logits", ("batch", "token", "vocabulary"), "nats, up to a constant"),),
        dynamic=("batch", "token"),
        padding="any token at the end; a position sees only those before it",
        normalisation=Normalisation(
            before=("Turn text into tokens with the tokenizer of the base.",),
            after=("The logits at a position are those of the next token.",),
        ),
    )
