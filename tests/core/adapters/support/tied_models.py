"""Tiny models of transformers whose embeddings and output layer are tied, with random weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn as nn
import transformers as hf

SIZES = {"vocab_size": 24, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


class Tied(nn.Module):
    """Token ids (batch, 5) to scores of 12 tokens; the output layer is tied by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.emb, self.hidden = nn.Embedding(12, 8), nn.Linear(8, 8)
        self.out = nn.Linear(8, 12, bias=False)
        self.out.weight = self.emb.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(self.hidden(self.emb(ids))))


class TiedByView(Tied):
    """The output layer is a parameter of its own that views the memory of the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.out.weight = nn.Parameter(self.emb.weight.data[:])


class Twice(nn.Module):
    """One linear layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = self.second = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.tanh(self.first(x)))


def t5() -> nn.Module:
    return hf.T5ForConditionalGeneration(
        hf.T5Config(
            d_model=16, d_ff=32, d_kv=8, num_layers=1, num_heads=2, dropout_rate=0.0, **SIZES
        )
    )


def whisper() -> nn.Module:
    return hf.WhisperForConditionalGeneration(
        hf.WhisperConfig(
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            num_mel_bins=8,
            max_source_positions=8,
            max_target_positions=8,
            decoder_start_token_id=1,
            **SIZES,
        )
    )


def gpt2() -> nn.Module:
    return hf.GPT2LMHeadModel(
        hf.GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=8, n_inner=32, **SIZES)
    )


def llama() -> nn.Module:
    return hf.LlamaForCausalLM(
        hf.LlamaConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            tie_word_embeddings=True,
            **SIZES,
        )
    )


HEADS = {"t5": "lm_head", "whisper": "proj_out", "gpt2": "lm_head", "llama": "lm_head"}
"""The output layer of each model."""


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build().eval()


def model(name: str) -> nn.Module:
    return seeded(globals()[name])


def scores(name: str, net: nn.Module) -> torch.Tensor:
    ids = torch.tensor([[3, 4, 5], [6, 7, 8]])
    if name == "t5":
        return net(input_ids=ids, decoder_input_ids=ids).logits
    if name == "whisper":
        return net(input_features=torch.ones(2, 8, 16), decoder_input_ids=ids).logits
    return net(input_ids=ids).logits
