"""Anchors that an adapter keeps for inference, so that answers hang less on wording."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_biomed.adapters.dual_anchor.layers import ContextLayer


def keeps(model: nn.Module) -> bool:
    """Whether an active adapter of the model has a place and a weight for anchors."""
    return any(layer.configs[name].keep > 0 for layer, name in _places(model))


@torch.no_grad()
def keep(model: nn.Module, classes: Sequence[str], anchors: Tensor) -> None:
    """Give the active adapter anchors, which are saved with it; earlier ones are dropped.

    Args:
        model: with a dual-anchor adapter on the embedding of words.
        classes: their names.
        anchors: (class, feature), of length 1.
    """
    for layer, name in _places(model):
        config = layer.configs[name]
        config.kept, config.features = list(classes), anchors.shape[1]
        layer.dual_anchor_kept[name] = anchors.detach().clone()


def steadied(model: nn.Module, classes: Sequence[str], text: Tensor) -> Tensor:
    """Texts of classes, those with a kept anchor moved towards it.

    Args:
        model: any; without a dual-anchor adapter nothing moves.
        classes: a name for each text.
        text: (class, feature), of length 1.

    Returns:
        The same shape, of length 1.
    """
    for layer, name in _places(model):
        if name in layer.dual_anchor_kept:
            config, own = layer.configs[name], layer.dual_anchor_kept[name].to(text)
            text = towards(text, classes, config.kept, own, config.keep)
    return text


def towards(
    text: Tensor, classes: Sequence[str], kept: Sequence[str], anchors: Tensor, weight: float
) -> Tensor:
    """`(1 - weight) t + weight a`, of length 1, where a class has an anchor; others as they are.

    Args:
        text: (class, feature), of length 1.
        classes: a name for each text.
        kept: a name for each anchor.
        anchors: (anchor, feature), of length 1.
        weight: of anchors, from 0 to 1.
    """
    place = {name: at for at, name in enumerate(kept)}
    known = torch.tensor([name in place for name in classes], device=text.device)
    own = anchors[[place.get(name, 0) for name in classes]]
    moved = F.normalize((1 - weight) * text + weight * own, dim=-1)
    return torch.where(known[:, None], moved, text)


def _places(model: nn.Module) -> list[tuple[ContextLayer, str]]:
    """Where active adapters keep anchors."""
    layers = [module for module in model.modules() if isinstance(module, ContextLayer)]
    return [(layer, name) for layer in layers for name in layer.acting()]
