"""Denoise seismic and fibre-optic (DAS) gathers: a DINOv3 ViT, a U-Net decoder, and an adapter."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="seismic",
    summary="Denoise seismic and DAS gathers with an adapted DINOv3 U-Net; reads and writes SEG-Y",
    backbones={"dinov3_unet": "scionwood_seismic.backbones:dinov3_unet"},
    readers={"segy": "scionwood_seismic.readers.segy:SegyReader"},
    data={"synthetic": "scionwood_seismic.data:SyntheticGathers"},
    tasks={"denoise": "scionwood_seismic.denoise:Denoise"},
    commands={
        "denoise": "scionwood_seismic.cli:denoise",
        "simulate": "scionwood_seismic.cli:simulate",
        "compare": "scionwood_seismic.cli:compare",
    },
    recipes="scionwood_seismic.recipes",
)
