"""Bytes kept for backward by models whose norms and gates scionwood does not know by class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import transformers as hf
from case_table import table
from kept_bytes import kept_mib
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from scionwood.kernels import enable

SIZE = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 32}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
MODELS: dict[str, Callable[[], nn.Module]] = {
    "llama": lambda: hf.LlamaModel(
        hf.LlamaConfig(intermediate_size=688, num_key_value_heads=4, **SIZE)
    ),
    "qwen3": lambda: hf.Qwen3Model(
        hf.Qwen3Config(intermediate_size=688, num_key_value_heads=2, head_dim=64, **SIZE)
    ),
    "bert": lambda: hf.BertModel(hf.BertConfig(intermediate_size=1024, **SIZE, **NO_DROPOUT)),
    "t5": lambda: hf.T5EncoderModel(
        hf.T5Config(d_model=256, d_ff=1024, d_kv=64, num_layers=4, num_heads=4, dropout_rate=0.0)
    ),
}


class FromEmbeddings(nn.Module):
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(inputs_embeds=x).last_hidden_state


def kept(name: str, form: str) -> float:
    torch.manual_seed(0)
    model: Any = MODELS[name]().bfloat16().requires_grad_(False)
    if form != "frozen":
        linear = [n for n, m in model.named_modules() if isinstance(m, nn.Linear)]
        targets = [n for n in linear if "pooler" not in n]  # it does not run here
        tuned = get_peft_model(model, LoraConfig(r=8, target_modules=targets))
        if form == "ours":
            enable(tuned, recompute="memory")
    return kept_mib(FromEmbeddings(model), torch.randn(2, 64, 256).bfloat16())


def vit(*, p=0.0, tune=True, default=True):
    torch.manual_seed(0)
    model = timm.create_model("vit_small_patch16_224", num_classes=10).bfloat16()
    if not tune:
        return model.requires_grad_(False)
    targets = r".*attn\.(qkv|proj)|.*mlp\.fc\d"
    config = LoraConfig(r=8, lora_alpha=16, target_modules=targets, lora_dropout=p)
    return get_peft_model(model, config, autocast_adapter_dtype=default)


@pytest.mark.slow
def test_a_vit_with_fused_layers_keeps_at_most_5_percent_more_than_frozen():
    floor = kept_mib(vit(tune=False))
    plain, dropout = vit(), vit(p=0.1)
    enable(plain)
    enable(dropout)
    ours, with_dropout = kept_mib(plain, start=False), kept_mib(dropout, start=False)
    assert ours <= 1.05 * floor
    assert ours <= 149
    assert with_dropout - ours < 0.001  # a seed of four bytes for each layer
    assert kept_mib(vit(default=False), start=False) > 1.5 * ours


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
@table("name", MODELS)
def test_all_linear_layers_keep_at_most_2_percent_more_than_the_frozen_model(name):
    floor = kept(name, "frozen")
    assert kept(name, "ours") <= 1.02 * floor
    assert kept(name, "peft") > 1.5 * floor
