"""Fixtures of the pde tests: the published tensors, and weights that depend only on names."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from plain_figures import undrawn
from torch import Tensor, nn

from scionwood.cli import main

sys.path.insert(0, str(Path(__file__).parent))  # for `fields_of`

Shapes = dict[str, tuple[int, ...]]


@pytest.fixture(autouse=True)
def _plain(_one_thread: None, _undrawn: None) -> None:
    """Every test runs on one thread, and draws no figure of a run."""


@pytest.fixture(scope="session")
def published() -> Callable[..., dict[str, Shapes]]:
    """Shapes of all tensors by their published names, from the four widths of a size."""
    return lambda h, fine, half, heads: {
        "encoder": _encoder(h, fine, half, heads),
        "decoder": _decoder(h, fine, half, heads),
    }


@pytest.fixture(scope="session")
def seeded() -> Callable[..., Tensor]:
    """A function from a name and a shape to a normal tensor that depends only on them."""
    return _seeded


@pytest.fixture(scope="session")
def fill() -> Callable[[nn.Module, str], None]:
    """A function that fills a module with weights that depend only on its parameters' names."""

    @torch.no_grad()
    def run(module: nn.Module, part: str) -> None:
        for name, p in module.named_parameters():
            key = f"{part}.{name}"
            if name.endswith("logit_scale"):
                p.copy_(2.302585 + _seeded(key, p.shape, 0.1))
            elif p.ndim <= 1:
                p.copy_(_seeded(key, p.shape, 0.1) + float(name.endswith("weight")))
            else:
                p.copy_(_seeded(key, p.shape, p[0].numel() ** -0.5))

    return run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke run of `pde/dynamics`, which steps by two of the states of Burgers' equation."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with undrawn():
        assert main(["fit", "pde/dynamics", "--smoke", "--run", str(folder)]) == 0
    return folder


def _seeded(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    return torch.randn(tuple(shape), generator=generator) * scale


def _biased(name: str, *weight: int) -> Shapes:
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def _stage(name: str, width: int, heads: int) -> Shapes:
    shapes: Shapes = {}
    for i in range(2):
        block = f"{name}.blocks.{i}"
        bias = f"{block}.attn.pos_emb_funct"
        shapes |= _biased(f"{block}.norm1", width) | _biased(f"{block}.norm2", width)
        shapes |= _biased(f"{block}.mlp.fc1", 4 * width, width)
        shapes |= _biased(f"{block}.mlp.fc2", width, 4 * width)
        shapes |= _biased(f"{bias}.cpb_mlp.0", 512, 3)
        shapes |= {
            f"{block}.attn.logit_scale": (heads, 1, 1),
            f"{block}.attn.qkv.weight": (3 * width, width),
            f"{bias}.cpb_mlp.2.weight": (heads, 512),
            f"{bias}.relative_coords_table": (1, 7, 7, 7, 3),
            f"{bias}.relative_position_index": (64, 64),
            f"{bias}.relative_bias": (1, heads, 64, 64),
        }
    return shapes


def _residual(name: str, width: int) -> Shapes:
    shapes: Shapes = {}
    for i in range(2):
        for half in (1, 2):
            shapes |= _biased(f"{name}.{i}.gn_{half}", width)
            shapes |= _biased(f"{name}.{i}.conv_{half}", width, width, 3, 3, 3)
    return shapes


def _encoder(h: int, fine: int, half: int, heads: int) -> Shapes:
    conv, transformer = "conv_encoder", "transformer_encoder"
    return {
        **_biased(f"{conv}.feature_embed", fine, 1, 3, 3, 3),
        **_biased(f"{conv}.downsampling_layers.0", half, fine, 3, 3, 3),
        **_biased(f"{conv}.downsampling_layers.1", h, half, 3, 3, 3),
        **_residual(f"{conv}.blocks", half),
        **_stage(f"{transformer}.encoder_levels.0", h, heads),
        f"{transformer}.downsamples.0.body.0.weight": (2 * h, h, 3, 3, 3),
        **_stage(f"{transformer}.encoder_levels.1", 2 * h, heads),
        f"{transformer}.downsamples.1.body.0.weight": (4 * h, 2 * h, 3, 3, 3),
        **_stage(f"{transformer}.latent", 4 * h, heads),
        **_biased("to_latent", 8 * h, 4 * h, 1, 1, 1),
    }


def _decoder(h: int, fine: int, half: int, heads: int) -> Shapes:
    conv, transformer = "conv_decoder", "transformer_decoder"
    return {
        f"{transformer}.upsamples.0.body.0.weight": (8 * h, 4 * h, 3, 3, 3),
        f"{transformer}.upsamples.0.body.2.weight": (2 * h, h, 3, 3, 3),
        **_stage(f"{transformer}.decoder_levels.0", 2 * h, heads),
        f"{transformer}.upsamples.1.body.0.weight": (4 * h, 2 * h, 3, 3, 3),
        f"{transformer}.upsamples.1.body.2.weight": (h, h // 2, 3, 3, 3),
        **_stage(f"{transformer}.decoder_levels.1", h, heads),
        **_biased(f"{transformer}.final_layer.out_proj", h, h, 3, 3, 3),
        **_biased(f"{transformer}.final_layer.adaLN_modulation.1", 2 * h, h),
        **_biased(f"{conv}.upsampling_layers.0.linear_conv", 8 * half, h, 1, 1, 1),
        **_residual(f"{conv}.blocks", half),
        **_biased(f"{conv}.upsampling_layers.1.linear_conv", 8 * fine, half, 1, 1, 1),
        **_biased(f"{conv}.decompress", 1, fine, 3, 3, 3),
    }
