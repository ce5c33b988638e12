"""The vision tower of a model by its name, with weights from a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from scionwood import WeightsError
from scionwood_biomed.model.load import load


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


def load_vision(model: str, weights: str | None, size: int | None, seed: int) -> TimmTower:
    """Return the vision tower of a model of open_clip, or of timm.

    Args:
        model: `timm:NAME`, or a model of `load`.
        weights: weights of an architecture; `None` means random ones.
        size: side of an image in pixels, for towers of timm; `None` means that of the model.
        seed: seed of random weights.

    Raises:
        WeightsError: no model can be loaded by this name.
    """
    if model.startswith("timm:"):
        return load_timm(model.removeprefix("timm:"), weights, size, seed)
    towers = load(model, weights=weights, seed=seed)
    return TimmTower(cast(Any, towers.model).visual, towers.size, (towers.mean, towers.std))


def card_of(model: str, weights: str | None) -> dict[str, str]:
    """Return the entries of the card of a network on the vision tower of a model."""
    random = model == "tiny" or (weights is None and "/" not in model)
    return {
        "architecture": model.rstrip("/").rpartition("/")[2],
        "weights": "random, seeded" if random else (weights or "those of the model"),
        "licence": "none (random weights)" if random else "see the model's own card",
    }


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
