"""Networks for images and volumes."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import torch.nn as nn
from catalogue import Entry


def image(side: int) -> tuple[torch.Tensor]:
    """Make two images in colour, (2, 3, side, side)."""
    return (torch.randn(2, 3, side, side),)


def volume(channels: int, side: int) -> tuple[torch.Tensor]:
    """Make two volumes, (2, channels, side, side, side)."""
    return (torch.randn(2, channels, side, side, side),)


def _timm(architecture: str, **options: Any) -> nn.Module:
    import timm

    model: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=4, **options)
    return model


def _torchvision_vit() -> nn.Module:
    from torchvision.models import VisionTransformer

    return VisionTransformer(
        image_size=16, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32
    )


def _torchvision_resnet() -> nn.Module:
    from torchvision.models import ResNet
    from torchvision.models.resnet import BasicBlock

    return ResNet(BasicBlock, [1, 1, 1, 1], num_classes=4)


def _unet_3d() -> nn.Module:
    from monai.networks.nets import UNet

    return UNet(3, 1, 2, channels=(4, 8, 16), strides=(2, 2), num_res_units=1)


def _swin_unetr() -> nn.Module:
    from monai.networks.nets import SwinUNETR

    return SwinUNETR(1, 2, feature_size=12, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2))


def _smp(architecture: str, **options: Any) -> nn.Module:
    import segmentation_models_pytorch as smp

    model: nn.Module = getattr(smp, architecture)("resnet18", encoder_weights=None, **options)
    return model


def _unet_2d() -> nn.Module:
    from diffusers import UNet2DModel

    return UNet2DModel(
        sample_size=16,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        attention_head_dim=8,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
    )


def _diffusion() -> dict[str, Any]:
    return {"sample": torch.randn(2, 3, 16, 16), "timestep": 3}


def _of_timm(name: str, architecture: str, targets: str = "all-linear", **options: Any) -> Entry:
    """Return the entry of a model of timm."""
    build = partial(_timm, architecture, **options)
    return Entry(f"timm {name}", "timm", build, partial(image, 32), targets)


VIT = {"depth": 2, "embed_dim": 48, "num_heads": 2}
SWIN = {"window_size": 4, "embed_dim": 16, "depths": (1, 1), "num_heads": (2, 2)}
FOUR = (1, 1, 1, 1)
ATTENTION = r".*attn\.(qkv|proj|q_proj|k_proj|v_proj)"
CONVOLUTIONS = r"layer.*conv\d"
WIDTHS = (8, 8, 16, 16)

ENTRIES = [
    _of_timm("ViT", "vit_tiny_patch16_224", img_size=32, **VIT),
    _of_timm("DINOv3", "vit_small_patch16_dinov3", ATTENTION, **VIT),
    _of_timm("Swin", "swin_tiny_patch4_window7_224", img_size=32, **SWIN),
    _of_timm("ConvNeXt", "convnext_atto", r".*conv_dw|.*mlp\.fc\d", depths=FOUR, dims=WIDTHS),
    _of_timm("ResNet", "resnet18", CONVOLUTIONS, layers=FOUR, channels=WIDTHS),
    _of_timm("EfficientNet", "test_efficientnet", r"blocks.*conv_(dw|pw|pwl)"),
    Entry("torchvision ViT", "torchvision", _torchvision_vit, partial(image, 16)),
    Entry(
        "torchvision ResNet", "torchvision", _torchvision_resnet, partial(image, 32), CONVOLUTIONS
    ),
    Entry(
        "MONAI UNet 3D", "monai", _unet_3d, partial(volume, 1, 16), r".*unit\d\.conv|.*2\.0\.conv"
    ),
    Entry("MONAI SwinUNETR", "monai", _swin_unetr, partial(volume, 1, 64)),
    Entry(
        "smp Unet",
        "segmentation-models-pytorch",
        partial(_smp, "Unet", decoder_channels=(16, 8, 8, 8, 8)),
        partial(image, 32),
        r"encoder\.layer.*conv\d|decoder.*conv\d\.0",
    ),
    Entry(
        "smp DeepLabV3+",
        "segmentation-models-pytorch",
        partial(_smp, "DeepLabV3Plus", decoder_channels=16),
        partial(image, 64),
        r"encoder\.layer.*conv\d|decoder\.aspp\.0\.convs\.[123]\.0\.\d",
    ),
    Entry("diffusers UNet2D", "diffusers", _unet_2d, _diffusion),
]
