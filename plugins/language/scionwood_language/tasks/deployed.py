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

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
    ) -> Tensor:
        """Map tokens, and for a decoder the mask and the answer so far, to logits.

        All inputs are (batch, token) int64, and the logits (batch, token, vocabulary).
        """
        more: dict[str, Any] = dict(self.options)
        if decoder_input_ids is not None:
            more |= {"attention_mask": attention_mask, "decoder_input_ids": decoder_input_ids}
        logits: Tensor = self.model(input_ids=input_ids, **more).logits
        return logits


def deployed_encoder(backbone: nn.Module) -> Deployed:
    """Return an encoder or a reward model for export."""
    model: Any = backbone
    return Deployed(Logits(backbone), model.example_input())


def deployed_seq2seq(backbone: nn.Module) -> Deployed:
    """Return a model of `language/seq2seq` for export: tokens, mask, and the answer so far."""
    model: Any = backbone
    return Deployed(Logits(backbone, use_cache=False), model.example_input())


def deployed(backbone: nn.Module) -> Deployed:
    """Return a language model for export; the batch and the number of tokens are free."""
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
