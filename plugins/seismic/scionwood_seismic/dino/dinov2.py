"""DINOv2 encoders with a denoising U-Net decoder; their weights are Apache-2.0."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from timm.models import vision_transformer

from scionwood_seismic.dino.family import APACHE, Family
from scionwood_seismic.dino.load import build
from scionwood_seismic.dino.unet import DenoisingUNet, ViTUNet

VIT = Family(
    title="DINOv2 ViT",
    network=ViTUNet,
    sizes={
        "tiny": "vit_small_patch14_dinov2",  # this architecture with the dimensions in `tiny`
        "small": "vit_small_patch14_dinov2",
        "base": "vit_base_patch14_dinov2",
        "large": "vit_large_patch14_dinov2",
        "giant": "vit_giant_patch14_dinov2",
        "small_reg4": "vit_small_patch14_reg4_dinov2",
        "base_reg4": "vit_base_patch14_reg4_dinov2",
        "large_reg4": "vit_large_patch14_reg4_dinov2",
        "giant_reg4": "vit_giant_patch14_reg4_dinov2",
    },
    tags=("lvd142m",),
    licence=APACHE,
    source="Oquab et al., 2023, DINOv2, arXiv 2304.07193",
    stem="patch_embed.proj",
    layer_scale="init_values",
    to_timm=vision_transformer.checkpoint_filter_fn,
    tiny={"embed_dim": 128, "depth": 6, "num_heads": 4},
    always={"dynamic_img_size": True},  # the position embedding is resampled to the gather's grid
)
Size = Literal[
    "tiny",
    "small",
    "base",
    "large",
    "giant",
    "small_reg4",
    "base_reg4",
    "large_reg4",
    "giant_reg4",
]


def dinov2_unet(
    *,
    size: Size = "tiny",
    weights: str | Path = "none",
    init_seed: int = 0,
    predict: Literal["noise", "clean"] = "noise",
    width: int = 32,
    scales: int = 3,
    common_mode: bool = True,
) -> DenoisingUNet:
    """Build a DINOv2 ViT with a denoising U-Net decoder.

    The patches of the ViT are 14 samples long. The ViT therefore sees the gather resampled by
    14 / 16, while the decoder sees the gather itself. Meta's weights are under Apache-2.0.

    Args:
        size: the size of the ViT; `*_reg4` has four register tokens. `tiny` (128 channels, 6
            blocks) is for CPUs, and Meta publishes no weights for it.
        weights: `none` (random weights; the patch embedding then trains with the decoder), `hub`
            (timm's copy on the Hugging Face hub), or the path of a `.safetensors` or `.pth` file.
        init_seed: seed of all random weights.
        predict: whether the decoder models the removed part (`noise`) or the kept part (`clean`).
        width: channels of the decoder at half resolution.
        scales: number of strides of the decoder's pyramid (2, 4, 8). Coarser information comes
            only from the encoder.
        common_mode: whether the decoder removes what all traces share, horizontal events with it.
            It did so always in earlier versions; new recipes should say false.

    Shapes: (batch, 1, trace, time) float32 in and out, of any size; padded to multiples of 16.

    Units: amplitudes divided by `normalise.scale`, in and out.

    Raises:
        WeightsError: the weights are missing, unreadable, or of another size.

    Source: Oquab et al., 2023, DINOv2, arXiv 2304.07193; the ViT comes from timm.
    """
    return build(
        VIT,
        size,
        weights=weights,
        init_seed=init_seed,
        predict=predict,
        width=width,
        scales=scales,
        common_mode=common_mode,
    )
