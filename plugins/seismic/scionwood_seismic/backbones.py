"""The backbones: a pretrained encoder of the DINO family, and a decoder that denoises gathers."""

from __future__ import annotations

from scionwood_seismic.model.dinov2 import dinov2_unet
from scionwood_seismic.model.dinov3 import PATCH, dinov3_unet, tiny_encoder
from scionwood_seismic.model.unet import DenoisingUNet

__all__ = ["PATCH", "DenoisingUNet", "dinov2_unet", "dinov3_unet", "tiny_encoder"]
