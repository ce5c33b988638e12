"""The exact number of bytes that fused layers keep for the backward pass."""

from __future__ import annotations

import pytest
import timm
import torch
from kept_bytes import kept_mib
from peft import LoraConfig, get_peft_model

from scionwood.kernels import enable

ATTENTION = r".*attn\.(qkv|proj)|.*mlp\.fc\d"


def vit(*, p=0.0, tune=True, default=True):
    torch.manual_seed(0)
    model = timm.create_model("vit_small_patch16_224", num_classes=10).bfloat16()
    if not tune:
        return model.requires_grad_(False)
    options = {"r": 8, "lora_alpha": 16, "target_modules": ATTENTION, "lora_dropout": p}
    return get_peft_model(model, LoraConfig(**options), autocast_adapter_dtype=default)


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
