"""Anchors that an adapter keeps for inference, to make answers less sensitive to wording."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood_biomed.adapters.dual_anchor.layers import ContextLayer


def keeps_anchors(model: nn.Module) -> bool:
    """Return whether an active adapter of the model can keep anchors and gives them a weight."""
    return any(layer.configs[name].keep > 0 for layer, name in _places(model))


@torch.no_grad()
def keep_anchors(model: nn.Module, classes: Sequence[str], anchors: Tensor) -> None:
    """Store anchors in the active adapter, which saves them; they replace earlier anchors.

    Args:
        model: a model with a dual-anchor adapter on the word embedding.
        classes: class names.
        anchors: (class, feature), of unit length.
    """
    for layer, name in _places(model):
        config = layer.configs[name]
        config.kept, config.features = list(classes), anchors.shape[1]
        layer.dual_anchor_kept[name] = anchors.detach().clone()


def apply_anchors(model: nn.Module, classes: Sequence[str], text: Tensor) -> Tensor:
    """Move the text features of classes towards their kept anchors.

    Args:
        model: any model; without a dual-anchor adapter the features are returned unchanged.
        classes: one class name per text.
        text: (class, feature), of unit length.

    Returns:
        (class, feature), of unit length.
    """
    for layer, name in _places(model):
        if name in layer.dual_anchor_kept:
            config, anchors = layer.configs[name], layer.dual_anchor_kept[name].to(text)
            text = move_towards(text, classes, config.kept, anchors, config.keep)
    return text


def move_towards(
    text: Tensor,
    classes: Sequence[str],
    anchor_classes: Sequence[str],
    anchors: Tensor,
    weight: float,
) -> Tensor:
    """Return `(1 - weight) t + weight a`, normalised, for each text t with an anchor a.

    Texts of classes without an anchor are returned unchanged.

    Args:
        text: (class, feature), of unit length.
        classes: one class name per text.
        anchor_classes: one class name per anchor.
        anchors: (anchor, feature), of unit length.
        weight: weight of the anchors, from 0 to 1.

    Returns:
        (class, feature), of unit length.
    """
    place = {name: at for at, name in enumerate(anchor_classes)}
    has_anchor = torch.tensor([name in place for name in classes], device=text.device)
    text_anchors = anchors[[place.get(name, 0) for name in classes]]
    moved = F.normalize((1 - weight) * text + weight * text_anchors, dim=-1)
    return torch.where(has_anchor[:, None], moved, text)


def _places(model: nn.Module) -> list[tuple[ContextLayer, str]]:
    """Return the layers, with the names of active adapters, that can hold anchors."""
    layers = [module for module in model.modules() if isinstance(module, ContextLayer)]
    return [(layer, name) for layer in layers for name in layer.acting()]
