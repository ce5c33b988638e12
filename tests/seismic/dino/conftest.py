"""Encoders of every size at a reduced depth and width, so that the tests take seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scionwood_seismic.dino import dinov2, dinov3
from scionwood_seismic.dino.family import Family
from scionwood_seismic.dino.load import build
from scionwood_seismic.dino.unet import DenoisingUNet

FAMILIES = (dinov3.VIT, dinov3.CONVNEXT, dinov2.VIT)

Denoiser = Callable[..., DenoisingUNet]


def _reduced(family: Family) -> Family:
    """A family with few narrow blocks; all other properties of each size are unchanged."""
    if family is dinov3.CONVNEXT:
        return replace(family, always={"dims": (16, 32, 48, 64), "depths": (1, 1, 2, 1)})
    narrow = {"embed_dim": 96, "depth": 4, "num_heads": 3}
    return replace(family, always={**family.always, **narrow}, tiny=narrow)


@pytest.fixture
def sizes() -> list[tuple[Family, str]]:
    """Every size of every family, reduced."""
    return [(_reduced(family), size) for family in FAMILIES for size in family.sizes]


@pytest.fixture(params=["dinov3", "convnext", "dinov2"])
def family(request: pytest.FixtureRequest) -> tuple[Family, str]:
    """One small encoder of every kind."""
    chosen = {
        "dinov3": (dinov3.VIT, "tiny"),
        "convnext": (_reduced(dinov3.CONVNEXT), "convnext_tiny"),
        "dinov2": (dinov2.VIT, "tiny"),
    }
    return chosen[request.param]


@pytest.fixture
def denoiser() -> Denoiser:
    """Build an encoder of a family and the decoder around it."""

    def make(family: Family, size: str, weights: str | Path = "none") -> DenoisingUNet:
        return build(family, size, weights=weights, init_seed=0, predict="noise", width=16)

    return make


@pytest.fixture
def reduced_vit() -> Family:
    """The ViTs of DINOv3, reduced."""
    return _reduced(dinov3.VIT)


@pytest.fixture
def reduced() -> Callable[[Family], Family]:
    """Any family, reduced."""
    return _reduced
