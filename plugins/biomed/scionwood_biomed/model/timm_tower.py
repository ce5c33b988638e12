"""A vision tower of timm with weights from a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from scionwood import WeightsError


@final
class TimmTower(NamedTuple):
    """A tower and the preprocessing of its inputs.

    Attributes:
        model: the tower, without a classifier.
        size: side of an image in pixels.
        channels: mean and standard deviation of each channel, for images from 0 to 1.
    """

    model: nn.Module
    size: int
    channels: tuple[Sequence[float], Sequence[float]]


def load_timm(name: str, weights: str | None, size: int | None, seed: int) -> TimmTower:
    """Build a tower of timm without the network.

    Args:
        name: an architecture of timm.
        weights: a safetensors file with timm's names; `None` means random weights. Positions of
            another grid are resampled.
        size: side of an image in pixels; `None` means that of the architecture.
        seed: seed of random weights.

    Raises:
        WeightsError: timm has no such architecture, it cannot take the size, or the file does not
            fit.
    """
    import timm

    options: dict[str, Any] = {} if size is None else {"img_size": size}
    value = f"timm:{name}"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = timm.create_model(name, pretrained=False, num_classes=0, **options)
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            rule = f"timm cannot build it ({str(error).splitlines()[0][:200]})"
            raise WeightsError(value, rule, "Give a name of timm.list_models()") from error
    if weights is not None:
        _fill(model, weights)
    config: Any = model.pretrained_cfg
    side = size or int(config["input_size"][-1])
    return TimmTower(model.eval(), side, (config["mean"], config["std"]))


def _fill(model: Any, weights: str) -> None:
    from timm.models.vision_transformer import checkpoint_filter_fn

    try:
        state = load_file(weights)
        if "pos_embed" in state:
            state = checkpoint_filter_fn(state, model)  # resamples positions
        model.load_state_dict(state, strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        rule = f"it does not fit ({str(error).splitlines()[0][:200]})"
        remedy = "Give a safetensors file with the names of timm, without a classifier"
        raise WeightsError(weights, rule, remedy) from error
