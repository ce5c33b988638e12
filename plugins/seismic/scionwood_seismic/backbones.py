"""The backbones that recipes name: field networks, and DINO encoders with a denoising decoder."""

from __future__ import annotations

from scionwood_seismic.dino.dinov2 import dinov2_unet
from scionwood_seismic.dino.dinov3 import dinov3_unet
from scionwood_seismic.model.conv_unet import conv_unet
from scionwood_seismic.model.field_unet import field_unet
from scionwood_seismic.model.station_unet import station_unet

__all__ = ["conv_unet", "dinov2_unet", "dinov3_unet", "field_unet", "station_unet"]
