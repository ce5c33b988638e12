"""The vision tower: DINOv2 in the layout of transformers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from scionwood import RecipeError, WeightsError

PATCH = 14
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of each colour, as DINOv2 was trained."""


def load_vision(weights: str, side: int, seed: int) -> Any:
    """Build DINOv2 in evaluation mode.

    Args:
        weights: `random` (small, it has learnt nothing), a folder in the layout of transformers, or
            a name on the hub.
        side: side of a picture in pixels, a multiple of 14.
        seed: seed of random weights.

    Raises:
        RecipeError: the side is not a multiple of 14.
        WeightsError: the weights are missing or do not fit.
    """
    from transformers import Dinov2Config, Dinov2Model

    if side < PATCH or side % PATCH:
        raise RecipeError(f"side {side}", f"it must be a multiple of {PATCH}", "Set it to 70")
    if weights == "random":
        config = Dinov2Config(
            hidden_size=64, num_hidden_layers=4, num_attention_heads=2, image_size=side
        )
        config.layerscale_value = 1.0  # with the initial 1e-5 no random block would do anything
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Dinov2Model(config).eval()
    try:
        network = Dinov2Model.from_pretrained(weights, use_safetensors=True, dtype=torch.float32)
    except (OSError, ValueError, RuntimeError) as error:
        rule = f"no DINOv2 can be loaded ({str(error).splitlines()[0][:200]})"
        raise WeightsError(weights, rule, "Give a folder of transformers, or random") from error
    return network.eval()


def normalised(pictures: Tensor) -> Tensor:
    """Return pictures from 0 to 1, (..., 3, side, side), as DINOv2 takes them."""
    mean, spread = (torch.tensor(v, device=pictures.device)[:, None, None] for v in (MEAN, SPREAD))
    return (pictures - mean) / spread


def blocks_of(network: Any) -> nn.ModuleList:
    """Return the blocks of the tower."""
    blocks: nn.ModuleList = network.encoder.layer
    return blocks
