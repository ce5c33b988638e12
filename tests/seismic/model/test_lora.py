"""Adapters on every encoder: parameter counts and gradients."""

from __future__ import annotations

import pytest
import torch
from case_table import table
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from scionwood import AdapterError, attach, merge, save_adapter
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


def filled(model: PeftModel) -> PeftModel:
    """Fill both factors: the second starts at zero, which blocks the gradient of the first."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in lora(model).values():
            parameter.normal_(std=0.1, generator=generator)
    return model


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


def test_every_lora_tensor_of_every_size_gets_a_gradient(sizes, denoiser, subtests):
    """The exceptions are q, k and v of the `_qkvb` sizes, which timm does not call."""
    for family, size in sizes:
        with subtests.test(family=family.title, size=size):
            model = denoiser(family, size)
            targets = model.adapter_targets["all-linear"]
            tuned = filled(get_peft_model(model, LoraConfig(r=2, target_modules=targets)))
            (example,) = model.example_input()
            tuned(example).square().sum().backward()
            dead = {name for name, p in lora(tuned).items() if p.grad is None or not p.grad.any()}
            passed_by = {name for name in lora(tuned) if ".qkv." in name and "qkvb" in size}
            assert dead == passed_by
            assert len(dead) < len(lora(tuned))


def test_exactly_the_adapter_and_the_head_train_and_merging_keeps_the_output(family, denoiser):
    """A LayerScale of 1e-5 or 1e-6 would suppress what the adapter does to random weights."""
    model = denoiser(*family)
    (example,) = model.example_input()
    tuned = attach(model, LoraConfig(r=4), targets="all-linear").eval()
    with torch.no_grad():
        before = tuned(example)
    apart = filled(tuned)(example)
    assert (apart - before).abs().max() > 1e-3
    apart.square().sum().backward()
    trained = {name: p for name, p in tuned.named_parameters() if p.requires_grad}
    assert [name for name, p in trained.items() if p.grad is None or not p.grad.any()] == []
    head = tuple(f"base_model.model.{name}." for name in model.head)
    assert {name for name in trained if not name.startswith(head)} == set(lora(tuned))
    with torch.no_grad():
        merge(tuned)
        torch.testing.assert_close(tuned(example), apart.detach(), atol=1e-5, rtol=0)


def test_leaves_out_layers_that_are_not_called(denoiser, reduced_vit):
    model = denoiser(reduced_vit, "small_qkvb")
    with pytest.warns(LeftOutWarning, match=r"no adapter on encoder\.blocks\.0\.attn\.qkv"):
        attach(model, LoraConfig(r=4), targets="attention")


def test_refuses_attention_targets_for_a_convnext():
    with torch.device("meta"):
        model = dinov3_unet(size="convnext_tiny")
    with pytest.raises(AdapterError, match=r"'attention'.*Presets: mlp, all-linear"):
        attach(model, LoraConfig(r=4), targets="attention")


def test_an_adapter_of_vit_s_is_a_file_of_two_megabytes(tmp_path):
    """Rank 16 in float32 without the head: 442,368 x 4 bytes, and a header."""
    model = attach(dinov3_unet(size="small"), LoraConfig(r=16), targets="attention")
    save_adapter(model, tmp_path)
    size = (tmp_path / "adapter_model.safetensors").stat().st_size
    assert 442_368 * 4 < size < 442_368 * 4 + 20_000
