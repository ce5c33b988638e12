"""DINOv3 encoders, Vision Transformers and ConvNeXts, with a denoising U-Net decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from timm.models import convnext, eva
from timm.models.eva import Eva

from scionwood_seismic.dino.family import Family, Licence
from scionwood_seismic.dino.load import build, create_encoder
from scionwood_seismic.dino.unet import ConvNeXtUNet, DenoisingUNet, ViTUNet

PATCH = 16
LICENCE = Licence(
    "DINOv3 License",
    "https://ai.meta.com/resources/models-and-libraries/dinov3-license",
    restricted=True,
)
TINY = {"embed_dim": 128, "depth": 6, "num_heads": 4}
VIT = Family(
    title="DINOv3 ViT",
    network=ViTUNet,
    sizes={
        "tiny": "vit_small_patch16_dinov3",  # this architecture with the dimensions in TINY
        "small": "vit_small_patch16_dinov3",
        "small_plus": "vit_small_plus_patch16_dinov3",
        "base": "vit_base_patch16_dinov3",
        "large": "vit_large_patch16_dinov3",
        "huge_plus": "vit_huge_plus_patch16_dinov3",
        "7b": "vit_7b_patch16_dinov3",
        "small_qkvb": "vit_small_patch16_dinov3_qkvb",
        "small_plus_qkvb": "vit_small_plus_patch16_dinov3_qkvb",
        "base_qkvb": "vit_base_patch16_dinov3_qkvb",
        "large_qkvb": "vit_large_patch16_dinov3_qkvb",
        "huge_plus_qkvb": "vit_huge_plus_patch16_dinov3_qkvb",
    },
    tags=("lvd1689m", "sat493m"),
    licence=LICENCE,
    source="Simeoni et al., 2025, DINOv3, arXiv 2508.10104",
    tiny=TINY,
    shipped="weights/dinov3_tiny.safetensors",
    stem="patch_embed.proj",
    layer_scale="init_values",
    to_timm=eva.checkpoint_filter_fn,
)
CONVNEXT = Family(
    title="DINOv3 ConvNeXt",
    network=ConvNeXtUNet,
    sizes={f"convnext_{size}": f"convnext_{size}" for size in ("tiny", "small", "base", "large")},
    tags=("dinov3_lvd1689m",),
    licence=LICENCE,
    source=VIT.source,
    stem="stem.0",
    layer_scale="ls_init_value",
    to_timm=convnext.checkpoint_filter_fn,
)
Size = Literal[
    "tiny",
    "small",
    "small_plus",
    "base",
    "large",
    "huge_plus",
    "7b",
    "small_qkvb",
    "small_plus_qkvb",
    "base_qkvb",
    "large_qkvb",
    "huge_plus_qkvb",
    "convnext_tiny",
    "convnext_small",
    "convnext_base",
    "convnext_large",
]


def dinov3_unet(
    *,
    size: Size = "tiny",
    weights: str | Path = "none",
    init_seed: int = 0,
    predict: Literal["noise", "clean"] = "noise",
    width: int = 32,
    scales: int = 3,
    common_mode: bool = True,
) -> DenoisingUNet:
    """Build a DINOv3 ViT or ConvNeXt with a denoising U-Net decoder.

    Meta's weights are under the DINOv3 License, which also applies to derived weights; this package
    contains none of them. An adapter on `attn.qkv` of a `*_qkvb` size is refused, because timm
    reads the weight without calling the module; use `targets: mlp`. A ConvNeXt has no attention, so
    it also needs `targets: mlp`.

    Args:
        size: the size of the ViT, or `convnext_*`. `tiny` (128 channels, 6 blocks) is for CPUs, and
            Meta publishes no weights for it.
        weights: `none` (random weights; the stem then trains with the decoder), `shipped` (only for
            `tiny`: pretrained on synthetic gathers, Apache-2.0), `hub` or `hub:sat493m` (timm's
            copy on the Hugging Face hub), or the path of a `.safetensors` or `.pth` file.
        init_seed: seed of all random weights.
        predict: whether the decoder models the removed part (`noise`) or the kept part (`clean`).
        width: channels of the decoder at half resolution.
        scales: number of strides of the decoder's pyramid (2, 4, 8). Coarser information comes
            only from the encoder.
        common_mode: whether the decoder removes what all traces share, horizontal events with it.
            It did so always in earlier versions; new recipes should say false.

    Shapes: (batch, 1, trace, time) float32 in and out, of any size; padded to multiples of 16, or
        of 32 for a ConvNeXt.

    Units: amplitudes divided by `normalise.scale`, in and out.

    Raises:
        WeightsError: the weights are missing, unreadable, or of another size.

    Source: Simeoni et al., 2025, DINOv3, arXiv 2508.10104; the encoders come from timm.
    """
    family = CONVNEXT if size in CONVNEXT.sizes else VIT
    return build(
        family,
        size,
        weights=weights,
        init_seed=init_seed,
        predict=predict,
        width=width,
        scales=scales,
        common_mode=common_mode,
    )


def tiny_encoder() -> Eva:
    """Build the ViT of size `tiny` with random weights from torch's global generator."""
    encoder = create_encoder(VIT, "tiny")
    assert isinstance(encoder, Eva)
    return encoder
