"""Adapters on every encoder: parameter counts and gradients."""

from __future__ import annotations

import pytest
import torch
from case_table import table
from peft import LoraConfig, get_peft_model
from torch import nn

from scionwood import AdapterError, attach
from scionwood.authoring import LeftOutWarning
from scionwood_seismic.backbones import dinov3_unet

PARAMETERS = {  # of timm's model with three channels, and its width
    "small": (21_586_944, 384),
    "small_plus": (28_683_264, 384),
    "base": (85_641_216, 768),
    "large": (303_079_424, 1024),
    "huge_plus": (840_509_440, 1280),
}
TRAINABLE = {  # parameters at rank 4, of qkv alone and of qkv and the projection
    "small": (73_728, 110_592),
    "base": (147_456, 221_184),
    "large": (393_216, 589_824),
}


def lora(model: nn.Module) -> dict[str, nn.Parameter]:
    return {n: p for n, p in model.named_parameters() if "lora_" in n}


@table("size", TRAINABLE)
def test_lora_has_the_expected_number_of_parameters(size):
    """The fused layer has r (d + 3 d) parameters per block, and the projection r (d + d).

    The patch embedding is not adapted.
    """
    with torch.device("meta"):  # shapes without memory
        model = dinov3_unet(size=size)
        config = LoraConfig(r=4, target_modules=model.adapter_targets["attention"])
        counts = {name: p.numel() for name, p in lora(get_peft_model(model, config)).items()}
    fused = sum(count for name, count in counts.items() if ".attn.qkv." in name)
    assert (fused, sum(counts.values())) == TRAINABLE[size]


@table("size", PARAMETERS)
def test_one_input_channel_saves_two_thirds_of_the_patch_embedding(size):
    parameters, width = PARAMETERS[size]
    with torch.device("meta"):
        encoder = dinov3_unet(size=size).encoder
    assert sum(p.numel() for p in encoder.parameters()) == parameters - 2 * 256 * width


def test_leaves_out_layers_that_are_not_called(denoiser, reduced_vit):
    model = denoiser(reduced_vit, "small_qkvb")
    with pytest.warns(LeftOutWarning, match=r"no adapter on encoder\.blocks\.0\.attn\.qkv"):
        attach(model, LoraConfig(r=4), targets="attention")


def test_refuses_attention_targets_for_a_convnext():
    with torch.device("meta"):
        model = dinov3_unet(size="convnext_tiny")
    with pytest.raises(AdapterError, match=r"'attention'.*Presets: mlp, all-linear"):
        attach(model, LoraConfig(r=4), targets="attention")
