"""The backbones: two towers, answers of every block, bags of cells, and a segmenter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from scionwood_biomed.model.bag import BagClassifier
from scionwood_biomed.model.block_classifier import BlockClassifier
from scionwood_biomed.model.segmenter import Segmenter
from scionwood_biomed.model.timm_tower import card_of, load_vision
from scionwood_biomed.model.towers import ClipBackbone

__all__ = ["BagClassifier", "BlockClassifier", "ClipBackbone", "segmenter"]


def segmenter(
    *,
    model: str = "tiny",
    weights: str | None = None,
    size: int | None = None,
    classes: Sequence[str] = ("lesion",),
    width: int = 32,
    options: Mapping[str, Any] | None = None,
    init_seed: int = 0,
) -> nn.Module:
    """Build a frozen vision tower with a light decoder that labels each pixel.

    Args:
        model: as for `biomed/blocks`; or `monai:NAME` for a network of MONAI such as
            `monai:UNet` (extra `monai`), all of which trains.
        weights: as for `biomed/blocks`; for MONAI a safetensors file.
        size: as for `biomed/blocks`; for MONAI 64 by default.
        classes: names of the classes without background; class n has the value n in a mask.
        width: channels of the decoder, a multiple of 4.
        options: options of a network of MONAI; `None` means a small UNet in two dimensions.
        init_seed: seed of random weights.

    Shapes: image (batch, 3, size, size) float32 to logits (batch, 1 + class, size, size).

    Units: images from 0 (black) to 1 (white); the softmax of the logits gives probabilities.

    Raises:
        WeightsError: no model can be loaded by this name.
        AdapterError: the tower has no list of blocks that is known.
        RecipeError: there is no class, or a name occurs twice.

    Source: this project's: three maps of the tower beside a shallow view of the image.
    """
    if model.startswith("monai:"):
        from scionwood_biomed.monai.networks import SMALL, build

        name, side = model.removeprefix("monai:"), size or 64
        chosen = {**SMALL, "out_channels": len(classes) + 1} if options is None else options
        return build(name, chosen, (3, side, side), classes, weights, init_seed)
    tower = load_vision(model, weights, size, init_seed)
    return Segmenter(tower, classes, width, card_of(model, weights), init_seed)
