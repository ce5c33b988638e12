"""The backbones: two towers, answers of every block, bags of cells, and a segmenter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import nn

from scionwood import RecipeError
from scionwood_biomed.model.bag import BagClassifier
from scionwood_biomed.model.block_classifier import BlockClassifier
from scionwood_biomed.model.load import load
from scionwood_biomed.model.segmenter import Segmenter
from scionwood_biomed.model.timm_tower import TimmTower, load_timm
from scionwood_biomed.model.towers import ClipBackbone


def clip(
    *,
    model: str = "tiny",
    weights: str | None = None,
    train_projection: bool = False,
    init_seed: int = 0,
) -> ClipBackbone:
    """Load a two-tower model of open_clip, such as BiomedCLIP, OpenAI's CLIP or SigLIP.

    For BiomedCLIP use `model: microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224`, or the
    folder into which it was downloaded. A folder is loaded without the network if `hf_model_name`
    and `hf_tokenizer_name` in its `open_clip_config.json` are folders too.

    Args:
        model: `tiny` (random weights, the architecture of BiomedCLIP), a folder, a name on the hub,
            or an architecture of open_clip.
        weights: weights of an architecture: a tag of open_clip, or a file; `None` means random.
        train_projection: also train the layer from image features to the space of texts, beside
            the adapter; for towers that were not trained together.
        init_seed: seed of random weights.

    Shapes: image (batch, 3, size, size) float32 and tokens (text, token) int64 to (batch, text).

    Units: images from 0 (black) to 1 (white); the result is logits, whose softmax over the texts
        gives probabilities.

    Raises:
        WeightsError: no model can be loaded by this name.
        AdapterError: the projection should train, and the vision tower has none.

    Source: Radford et al. 2021, arXiv:2103.00020; Zhang et al. 2023, arXiv:2303.00915 (BiomedCLIP);
        Ilharco et al. 2021 (open_clip).
    """
    origin = "random, seeded" if model == "tiny" else (weights or "those of the model")
    card = {
        "architecture": f"open_clip, {model.rstrip('/').rpartition('/')[2]}",
        "weights": origin,
        "licence": "none (random weights)" if model == "tiny" else "see the model's own card",
    }
    loaded = load(model, weights=weights, seed=init_seed)
    return ClipBackbone(loaded, card, train_projection=train_projection)


def blocks(
    *,
    model: str = "tiny",
    weights: str | None = None,
    size: int | None = None,
    classes: Sequence[str] = ("no", "yes"),
    exclusive: bool = True,
    slices: int | None = None,
    options: Mapping[str, Any] | None = None,
    init_seed: int = 0,
) -> BlockClassifier:
    """Build a frozen vision tower whose every block answers; `biomed/blockwise_lda` fits it.

    Args:
        model: as for `biomed/clip`, whose vision tower is taken; or `timm:NAME` for a tower of
            timm, such as `timm:vit_small_patch14_dinov2`; or `monai:ResNet` for a residual network
            in three dimensions (extra `monai`), whose convolutions LoRA can adapt.
        weights: weights of an architecture: for timm and MONAI a safetensors file, for open_clip a
            tag or a file; `None` means random ones.
        size: side of an image in pixels, for towers of timm that can take another one; `None` means
            that of the model.
        classes: names of the classes, or of the findings.
        exclusive: whether an image has exactly one class. Otherwise each finding is yes or no, and
            the data states it in a column for each finding.
        slices: number of slices of a volume, for a network in three dimensions; 16 by default.
        options: options of a network of MONAI; `None` means a small one.
        init_seed: seed of random weights.

    Shapes: image (batch, 3, size, size), or volumes (batch, slice, 3, size, size), float32, to
        logits (batch, class).

    Units: images from 0 (black) to 1 (white); the softmax of the logits gives probabilities, of
        findings it is the sigmoid.

    Raises:
        WeightsError: no model can be loaded by this name.
        AdapterError: the tower has no list of blocks that is known.
        RecipeError: there are fewer than two classes, no finding, or a name occurs twice; or
            `slices` are given for a network in two dimensions.

    Source: this project's: unit-length features of every block, one linear answer for each, and the
        mean of their probabilities. Chen et al. 2019, arXiv:1904.00625 (residual networks in three
        dimensions for medical images).
    """
    if model.startswith("monai:"):
        slices = slices or 16
        tower = _in_3d(model, weights, slices, size or 64, options, init_seed)
    elif slices is not None:
        rule = f"{model} takes single images"
        remedy = "Use biomed/bag, which pools the slices of a volume, or model monai:ResNet"
        raise RecipeError(f"backbone.slices {slices}", rule, remedy)
    else:
        tower = _vision(model, weights, size, init_seed)
    return BlockClassifier(
        tower.model,
        size=tower.size,
        channels=tower.channels,
        classes=classes,
        exclusive=exclusive,
        card=_card(model, weights),
        slices=slices,
    )


def bag(
    *,
    model: str = "tiny",
    weights: str | None = None,
    size: int | None = None,
    slices: int = 16,
    classes: Sequence[str] = ("no", "yes"),
    width: int = 32,
    hidden: int = 32,
    init_seed: int = 0,
) -> BagClassifier:
    """Build a frozen vision tower with attention pooling over the cells of all slices.

    Args:
        model: as for `biomed/blocks`.
        weights: as for `biomed/blocks`.
        size: as for `biomed/blocks`.
        slices: number of slices of a volume.
        classes: names of the classes.
        width: directions of the cells that are kept.
        hidden: width of the attention.
        init_seed: seed of random weights.

    Shapes: image (batch, slice, 3, size, size) float32 to logits (batch, class).

    Units: images from 0 (black) to 1 (white); the softmax of the logits gives probabilities.

    Raises:
        WeightsError: no model can be loaded by this name.
        AdapterError: the tower has no list of blocks that is known.
        RecipeError: there are fewer than two classes, or a name occurs twice.

    Source: Ilse et al. 2018, arXiv:1802.04712 (attention pooling).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        tower = _vision(model, weights, size, init_seed)
        return BagClassifier(
            tower.model,
            size=tower.size,
            channels=tower.channels,
            slices=slices,
            classes=classes,
            width=width,
            hidden=hidden,
            card=_card(model, weights),
        )


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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        tower = _vision(model, weights, size, init_seed)
        return Segmenter(
            tower.model,
            size=tower.size,
            channels=tower.channels,
            classes=classes,
            width=width,
            card=_card(model, weights),
        )


def _vision(model: str, weights: str | None, size: int | None, seed: int) -> TimmTower:
    """Return the vision tower of a model."""
    if model.startswith("timm:"):
        return load_timm(model.removeprefix("timm:"), weights, size, seed)
    loaded = load(model, weights=weights, seed=seed)
    return TimmTower(cast(Any, loaded.model).visual, loaded.size, (loaded.mean, loaded.std))


def _in_3d(
    model: str,
    weights: str | None,
    slices: int,
    size: int,
    options: Mapping[str, Any] | None,
    seed: int,
) -> TimmTower:
    """Return a network of MONAI in three dimensions, for grey values of mean 0.5."""
    from scionwood_biomed.monai.networks import SMALL_3D, build

    name, chosen = model.removeprefix("monai:"), SMALL_3D if options is None else options
    built = build(name, chosen, (1, slices, size, size), [], weights, seed)
    return TimmTower(built.network, size, ((0.5,), (0.25,)))


def _card(model: str, weights: str | None) -> dict[str, str]:
    drawn = model == "tiny" or (weights is None and "/" not in model)
    return {
        "architecture": model.rstrip("/").rpartition("/")[2],
        "weights": "random, seeded" if drawn else (weights or "those of the model"),
        "licence": "none (random weights)" if drawn else "see the model's own card",
    }
