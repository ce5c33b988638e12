"""The four traps of DINOv3 in timm, each with its test, and the counts that a report may claim."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn

from scionwood import AdapterError, WeightsError, attach
from scionwood_seismic.backbones import LICENCE, SIZES, dinov3_unet

PRETRAINED = [size for size in SIZES if size != "tiny"]
PLAIN = [size for size in PRETRAINED if not size.endswith("qkvb")]
COUNTS = {  # size: parameters of timm's three-channel model, width, depth
    "small": (21_586_944, 384, 12),
    "small_plus": (28_683_264, 384, 12),
    "base": (85_641_216, 768, 12),
    "large": (303_079_424, 1024, 24),
    "huge_plus": (840_509_440, 1280, 32),
}


def lora(size: str, rank: int, targets: str = "attention") -> nn.Module:
    """LoRA on a preset, on the meta device: shapes without memory."""
    with torch.device("meta"):
        model = dinov3_unet(size=size)
        return get_peft_model(
            model, LoraConfig(r=rank, target_modules=model.adapter_targets[targets])
        )


def lora_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if "lora_" in name}


@pytest.mark.parametrize("rank", [4, 8, 16])
@pytest.mark.parametrize("size", COUNTS)
def test_lora_on_attention_counts_exactly(size: str, rank: int) -> None:
    """Fused qkv: r (d + 3 d); proj: r (d + d); the patch embedding's `proj` is not among them."""
    parameters, width, depth = COUNTS[size]
    model = lora(size, rank)
    grafted = sum(p.numel() for p in lora_parameters(model).values())
    assert grafted == rank * 6 * width * depth
    base = sum(p.numel() for n, p in model.named_parameters() if ".encoder." in n) - grafted
    assert base == parameters - 2 * 256 * width  # one input channel instead of three


def test_the_published_counts_of_vit_s() -> None:
    counts = [sum(p.numel() for p in lora_parameters(lora("small", r)).values()) for r in (4, 16)]
    assert counts == [110_592, 442_368]


@pytest.mark.parametrize("size", PLAIN)
def test_every_lora_tensor_gets_a_gradient(size: str) -> None:
    """On the meta device a gradient has no value, but one that never arrives is None."""
    model = lora(size, 4, "all-linear")
    model(torch.zeros(1, 1, 32, 32, device="meta")).sum().backward()
    assert [name for name, p in lora_parameters(model).items() if p.grad is None] == []


@pytest.mark.parametrize("size", [size for size in PRETRAINED if size.endswith("qkvb")])
def test_the_qkvb_twins_pass_the_wrapper_by(size: str) -> None:
    """Why adapters on their qkv are refused: no gradient arrives there, silently."""
    model = lora(size, 4)
    model(torch.zeros(1, 1, 32, 32, device="meta")).sum().backward()
    dead = [name for name, p in lora_parameters(model).items() if p.grad is None]
    assert dead
    assert all(".qkv." in name for name in dead)


def test_an_adapter_on_a_dead_qkv_is_refused_by_name() -> None:
    model = dinov3_unet(size="small_qkvb")
    with pytest.raises(AdapterError, match=r"encoder\.blocks\.0\.attn\.qkv"):
        attach(model, LoraConfig(r=4), targets="attention")
    attach(model, LoraConfig(r=4), targets="mlp")


def test_adapters_act_on_random_weights() -> None:
    """LayerScale of 1e-5 would hide them; the decoder's output moves by more than rounding."""
    model = attach(dinov3_unet(), LoraConfig(r=8), targets="attention").eval()
    (example,) = dinov3_unet().example_input()
    before = model(example)
    with torch.no_grad():
        for parameter in lora_parameters(model).values():
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    assert (model(example) - before).abs().max() > 1e-3


@pytest.mark.parametrize("shape", [(16, 16), (32, 80), (25, 130), (128, 17)])
@pytest.mark.parametrize("predict", ["noise", "clean"])
def test_any_size_of_gather_passes(shape: tuple[int, int], predict: str) -> None:
    x = torch.randn(2, 1, *shape)
    assert dinov3_unet(predict=predict)(x).shape == x.shape


def test_the_stem_trains_only_with_random_weights(vit_s: Path) -> None:
    assert dinov3_unet().head == ("decoder", "encoder.patch_embed")
    assert dinov3_unet(size="small", weights=vit_s).head == ("decoder",)


@pytest.fixture(scope="module")
def vit_s(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file as the hub has it: three input channels, LayerScale and all."""
    import timm

    path = tmp_path_factory.mktemp("weights") / "vit_small.safetensors"
    save_file(timm.create_model(SIZES["small"], num_classes=0).state_dict(), path)
    return path


def test_a_weights_file_is_loaded_with_its_channels_summed(vit_s: Path) -> None:
    """One channel that is the sum of three equals the gather repeated three times."""
    import timm

    colour = timm.create_model(
        SIZES["small"], pretrained=True, num_classes=0, pretrained_cfg_overlay={"file": str(vit_s)}
    ).eval()
    grey = dinov3_unet(size="small", weights=str(vit_s)).encoder.eval()
    x = torch.randn(1, 1, 32, 32)
    torch.testing.assert_close(
        grey.forward_features(x), colour.forward_features(x.repeat(1, 3, 1, 1)), atol=1e-4, rtol=0
    )


def test_missing_weights_name_the_option_and_the_licence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere.*no such weights file.*`weights`") as caught:
        dinov3_unet(size="small", weights=tmp_path / "nowhere.safetensors")
    assert LICENCE in caught.value.remedy


def test_the_hub_out_of_reach_names_the_option_and_the_licence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"hub: cannot load.*path of a file.*DINOv3 License"):
        dinov3_unet(size="small", weights="hub")


@pytest.mark.parametrize("name", ["other.safetensors", "text.safetensors", "text.pth"])
def test_weights_of_another_kind_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.startswith("text"):
        path.write_text("not weights at all")
    else:
        save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match=f"{name}: cannot load vit_small_patch16_dinov3"):
        dinov3_unet(size="small", weights=path)


def test_the_tiny_size_has_no_weights_to_load() -> None:
    with pytest.raises(WeightsError, match="'tiny' has no pretrained"):
        dinov3_unet(weights="hub")


def test_the_card_names_the_licence(vit_s: Path) -> None:
    assert "DINOv3 License" in dinov3_unet(size="small", weights=vit_s).card["licence"]
    assert "random" in dinov3_unet().card["licence"]
