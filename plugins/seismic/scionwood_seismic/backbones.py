"""The backbones that recipes name: a DINO encoder with a denoising decoder, and a plain U-Net."""

from __future__ import annotations

from scionwood_seismic.model.conv_unet import conv_unet
from scionwood_seismic.model.dinov2 import dinov2_unet
from scionwood_seismic.model.dinov3 import dinov3_unet

__all__ = ["conv_unet", "dinov2_unet", "dinov3_unet"]
