"""Weights files in the layouts of timm, Meta and transformers, for all sizes."""

from __future__ import annotations

import re

import pytest
import timm
import torch
from case_table import table
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import DINOv3ViTConfig, DINOv3ViTModel

from scionwood import WeightsError
from scionwood_seismic.dino.family import Family

State = dict[str, Tensor]


def published(family: Family, size: str) -> nn.Module:
    """An encoder of timm with three channels and all weights different."""
    model: nn.Module = timm.create_model(family.sizes[size], num_classes=0, **family.always)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith(("q_bias", "v_bias")):  # Meta publishes zeros there
                parameter.normal_(std=0.05, generator=generator)
    return model.eval()


def renamed(state: State, names: dict[str, str]) -> State:
    """Apply patterns to every name, in their order."""
    converted = {}
    for name, value in state.items():
        for pattern, other in names.items():
            name = re.sub(pattern, other, name)
        converted[name] = value
    return converted


def dinov3_of_meta(state: State) -> State:
    """Add biases of q, k and v: zero except that of the key, which a mask removes."""
    gated = any("fc1_g" in name for name in state)
    names = {"^reg_token": "storage_tokens", r"gamma_(\d)": r"ls\1.gamma"}
    names |= {"fc1_g": "w1", "fc1_x": "w2", r"mlp\.fc2": "mlp.w3"} if gated else {}
    converted = renamed(
        {k: v for k, v in state.items() if not k.endswith(("q_bias", "v_bias"))}, names
    )
    for name, value in list(converted.items()):
        if name.endswith("qkv.weight"):
            bias = torch.zeros(len(value)).unflatten(0, (3, -1))
            bias[1] = 7.0
            converted[name.replace("weight", "bias")] = bias.flatten()
            converted[name.replace("weight", "bias_mask")] = torch.ones(len(value))
    return converted | {"mask_token": torch.ones(1, 96), "rope_embed.periods": torch.ones(8)}


def dinov2_of_meta(state: State) -> State:
    """With registers, timm adds the position of the class token to the token."""
    converted = renamed(state, {"^reg_token": "register_tokens"})
    if converted["blocks.0.mlp.fc1.weight"].shape[0] != 4 * 96:
        converted = renamed(converted, {r"mlp\.fc1": "mlp.w12", r"mlp\.fc2": "mlp.w3"})
    if "register_tokens" in converted:
        own = torch.full((1, 1, 96), 0.5)
        converted["cls_token"] = converted["cls_token"] - own
        converted["pos_embed"] = torch.cat([own, converted["pos_embed"]], 1)
    return converted | {"mask_token": torch.ones(1, 96)}


def convnext_of_meta(state: State) -> State:
    names = {
        r"^stem\.": "downsample_layers.0.",
        r"^stages\.(\d)\.downsample\.": r"downsample_layers.\1.",
        r"^stages\.(\d)\.blocks\.": r"stages.\1.",
        "conv_dw": "dwconv",
        r"mlp\.fc": "pwconv",
        r"^head\.norm": "norm",
    }
    converted = renamed(state, names)
    return converted | {f"norms.3.{kind}": converted[f"norm.{kind}"] for kind in ("weight", "bias")}


OF_META = {
    "DINOv3 ViT": dinov3_of_meta,
    "DINOv2 ViT": dinov2_of_meta,
    "DINOv3 ConvNeXt": convnext_of_meta,
}


def check_loaded(encoder: nn.Module, model: nn.Module, stem: str) -> None:
    """All weights equal those of the published model, with the stem summed over channels."""
    expected = dict(model.state_dict())
    expected[f"{stem}.weight"] = expected[f"{stem}.weight"].sum(1, keepdim=True)
    loaded = encoder.state_dict()
    assert set(expected) - set(loaded) <= {"head.norm.weight", "head.norm.bias"}
    for name, value in loaded.items():
        torch.testing.assert_close(value, expected[name], atol=1e-6, rtol=0, msg=name)


def test_loads_a_state_dict_of_timm_and_of_meta(sizes, denoiser, tmp_path, capsys, subtests):
    for family, size in sizes:
        with subtests.test(family=family.title, size=size):
            model, path = published(family, size), tmp_path / f"{family.title} {size}.safetensors"
            save_file(model.state_dict(), path)
            check_loaded(denoiser(family, size, path).encoder, model, family.stem)
            meta = path.with_suffix(".pth")
            torch.save(OF_META[family.title](dict(model.state_dict())), meta)
            check_loaded(denoiser(family, size, str(meta)).encoder, model, family.stem)
            assert capsys.readouterr().out == ""


@table("size", ["small", "small_qkvb", "small_plus", "small_plus_qkvb"])
@table("prefix", ["", "model."])
def test_a_state_dict_of_transformers_gives_the_same_features(
    reduced_vit, size, prefix, denoiser, tmp_path
):
    model = transformers_vit(gated="plus" in size, biases="qkvb" in size)
    state = {name.removeprefix("model."): value for name, value in model.state_dict().items()}
    state = {f"{prefix}{k}" if k.startswith("layer.") else k: v for k, v in state.items()}
    save_file(state, tmp_path / "hf.safetensors")
    encoder = denoiser(reduced_vit, size, tmp_path / "hf.safetensors").encoder.eval()
    x = torch.randn(1, 1, 32, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model(x.repeat(1, 3, 1, 1)).last_hidden_state
        torch.testing.assert_close(encoder.forward_features(x), expected, atol=1e-4, rtol=0)


def test_refuses_a_nonzero_bias_that_the_size_does_not_have(reduced_vit, denoiser, tmp_path):
    path = tmp_path / "biased.safetensors"
    save_file(transformers_vit(gated=False, biases=True).state_dict(), path)
    with pytest.raises(WeightsError, match=r"qkv\.bias is not zero.*`_qkvb`"):
        denoiser(reduced_vit, "small", path)


def transformers_vit(*, gated: bool, biases: bool) -> nn.Module:
    """The other implementation at the reduced size, with all weights different."""
    width = 96
    config = DINOv3ViTConfig(
        hidden_size=width,
        num_hidden_layers=4,
        num_attention_heads=3,
        intermediate_size=4 * width,
        num_register_tokens=4,
        use_gated_mlp=gated,
        hidden_act="silu" if gated else "gelu",
    )
    model: nn.Module = DINOv3ViTModel(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(std=0.1, generator=generator)
            if not biases and name.endswith(("q_proj.bias", "v_proj.bias")):
                parameter.zero_()
    return model
