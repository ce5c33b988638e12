"""The backbone `language/unir`: a frozen language model and a small reasoner beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, final

import torch
import torch.nn as nn
from torch import Tensor

from scionwood_language.model.weights import load_model
from scionwood_language.verifiable.tiny import CHARACTERS, REASONER, tiny_base, tiny_model
from scionwood_language.verifiable.unir import LogitFusion

TINY = "tiny"
"""The name of the shipped pair, in place of a folder or a repository."""

REASONED = r"fusion\.reasoners\.0\."
INSIDE = REASONED + r".*\."


@final
class ReasonedModel(nn.Module):
    """A `LogitFusion` with one reasoner, as a backbone of Scionwood.

    Args:
        fusion: a base with one reasoner.
        trains_reasoner: whether all weights of the reasoner train, as the head.
        card: what the card of a run says about the base.
    """

    adapter_targets: ClassVar[dict[str, str]] = {
        "attention": INSIDE + "[qkvo]_proj",
        "mlp": INSIDE + "(gate|up|down)_proj",
        "all-linear": rf"{INSIDE}([qkvo]|gate|up|down)_proj|{REASONED}lm_head",
    }

    def __init__(self, fusion: LogitFusion, trains_reasoner: bool, card: dict[str, str]) -> None:
        super().__init__()
        self.fusion, self.card = fusion, card
        self.head = ("fusion.reasoners.0",) if trains_reasoner else ()

    def forward(self, input_ids: Tensor) -> Tensor:
        """Return the logits of both together, (batch, token, vocabulary); see `LogitFusion`."""
        logits: Tensor = self.fusion(input_ids)
        return logits

    def example_input(self) -> tuple[Tensor, ...]:
        """Return two short sequences of the first tokens."""
        return (torch.arange(2 * len(CHARACTERS)).view(2, -1) % len(CHARACTERS),)


def unir(
    *,
    base: str = TINY,
    reasoner: str = TINY,
    weight: float = 1.0,
    trains: Literal["adapter", "whole"] = "adapter",
    init_seed: int = 0,
) -> ReasonedModel:
    """Return a frozen language model and a small reasoner whose logits are added to its logits.

    Args:
        base: `tiny` (83,776 parameters, shipped with the package), or a causal language model of
            transformers in safetensors: a local folder, or a repository as `owner/name` or
            `owner/name@revision`.
        reasoner: `tiny` (11,104 parameters, random), or a model with the same tokens, named as for
            `base`.
        weight: the factor alpha of the reasoner's logits.
        trains: `adapter` trains an adapter in the reasoner, such as lora; `whole` trains all
            weights of the reasoner and needs `adapter: frozen`.
        init_seed: the seed of the tiny reasoner.

    Shapes: (batch, token) int64 to logits (batch, token, vocabulary) float32, without padding.

    Units: logits without unit; nats after log-softmax.

    Raises:
        WeightsError: a model cannot be loaded.
        AdapterError: the two models have different tokens.

    Source: UniR, arXiv 2505.19075, after the authors' code; the tiny pair is our own.
    """
    frozen = tiny_base() if base == TINY else _pretrained(base)
    small = tiny_model(REASONER, init_seed) if reasoner == TINY else _pretrained(reasoner)
    fusion = LogitFusion(frozen, [small], [weight])
    return ReasonedModel(fusion, trains == "whole", _card(base, reasoner))


def _pretrained(name: str) -> Any:
    repository, _, revision = name.partition("@")
    is_local = Path(name).is_dir()
    return load_model(name if is_local else repository, revision=None if is_local else revision)


def _card(base: str, reasoner: str) -> dict[str, str]:
    shipped = {"weights": "shipped, made by this package", "licence": "Apache-2.0"}
    return {
        "architecture": f"a language model, and the reasoner {_display(reasoner)}",
        **(shipped if base == TINY else {"weights": _display(base), "licence": "not known"}),
        "source": "arXiv 2505.19075",
    }


def _display(name: str) -> str:
    return Path(name).name if Path(name).is_dir() else name
