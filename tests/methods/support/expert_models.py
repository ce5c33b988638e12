"""Mixtures of experts: tiny ones of transformers, and one that holds its experts in a list."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn as nn
from torch import Tensor

SIZES: dict[str, Any] = {
    "vocab_size": 20,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "num_experts_per_tok": 2,
    "max_position_embeddings": 32,
}


def transformer(family: str, implementation: str = "eager") -> nn.Module:
    """Return OLMoE with 6 experts or Mixtral with 4; the weights are the same in every process."""
    from transformers import MixtralConfig, MixtralForCausalLM, OlmoeConfig, OlmoeForCausalLM

    torch.manual_seed(1)
    built = {
        "olmoe": lambda: OlmoeForCausalLM(OlmoeConfig(num_experts=6, **SIZES)),
        "mixtral": lambda: MixtralForCausalLM(MixtralConfig(num_local_experts=4, **SIZES)),
    }[family]()
    built.set_experts_implementation(implementation)
    with torch.no_grad():
        for parameter in built.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.4)
    return built.eval()


def tokens() -> Tensor:
    """Return an input, (2, 7) int64."""
    return torch.randint(20, (2, 7), generator=torch.Generator().manual_seed(2))


class Logits(nn.Module):
    """OLMoE that returns its logits."""

    def __init__(self) -> None:
        super().__init__()
        self.model = transformer("olmoe")

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x).logits


class Expert(nn.Module):
    """One expert of a list."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(x)


class Listed(nn.Module):
    """Each token goes to the experts of its two largest inputs; each expert runs once."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(Expert() for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        chosen = x.topk(2, -1).indices
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            token = (chosen == number).any(-1).nonzero()[:, 0]
            if len(token):
                out = out.index_add(0, token, expert(x[token]))
        return out
