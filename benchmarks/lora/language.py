"""Language models with random weights; their input is a batch of embeddings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import transformers as hf
from torch import Tensor, nn

from lora.models import Setup

PROJECTIONS = {
    "llama": r".*layers\.\d+\.(self_attn|mlp)\.\w+_proj",
    "qwen3": r".*layers\.\d+\.(self_attn|mlp)\.\w+_proj",
    "bert": r".*layer\.\d+\..*(query|key|value|dense)",
    "t5": r".*block\.\d+\..*\.(q|k|v|o|wi|wo)",
}
"""All linear layers of the blocks."""


def setups(width: int, depth: int, tokens: int, batch: int) -> list[Setup]:
    """Return a Llama, a Qwen3, a BERT and the encoder of a T5 of the same width and depth."""
    size = {"hidden_size": width, "num_hidden_layers": depth, "num_attention_heads": width // 64}
    gated = {**size, "intermediate_size": 8 * width // 3 // 8 * 8, "vocab_size": 32}
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    heads = {"num_key_value_heads": width // 128 or 1, "head_dim": 64}
    configs: dict[str, tuple[Callable[..., Any], Any]] = {
        "llama": (hf.LlamaModel, hf.LlamaConfig(**gated, num_key_value_heads=width // 64)),
        "qwen3": (hf.Qwen3Model, hf.Qwen3Config(**gated, **heads)),
        "bert": (
            hf.BertModel,
            hf.BertConfig(**size, **still, intermediate_size=4 * width, vocab_size=32),
        ),
        "t5": (
            hf.T5EncoderModel,
            hf.T5Config(
                d_model=width,
                d_ff=4 * width,
                d_kv=64,
                num_layers=depth,
                num_heads=width // 64,
                dropout_rate=0.0,
                vocab_size=32,
            ),
        ),
    }
    return [
        Setup(
            f"{name}, width {width}, {depth} blocks, {batch} x {tokens} tokens",
            partial(_Embedded, *configs[name]),
            (batch, tokens, width),
            {"all": pattern},
            "stem",
        )
        for name, pattern in PROJECTIONS.items()
    ]


class _Embedded(nn.Module):
    """A model behind its embedding, whose output is differentiable in every compared form."""

    def __init__(self, build: Callable[..., nn.Module], config: Any) -> None:
        super().__init__()
        self.stem, self.model = _Start(), build(config)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.model(inputs_embeds=self.stem(x)).last_hidden_state
        return output


class _Start(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.detach().requires_grad_()
