"""Build a denoiser whose encoder has random, shipped, downloaded or local weights."""

from __future__ import annotations

import logging
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import timm
import torch
from torch import nn

from scionwood import WeightsError
from scionwood_seismic.dino.checkpoint import load_checkpoint
from scionwood_seismic.dino.family import APACHE, Family, Licence
from scionwood_seismic.dino.unet import DenoisingUNet

PACKAGE = "scionwood_seismic"
_log = logging.getLogger(PACKAGE)


def build(
    family: Family,
    size: str,
    *,
    weights: str | Path,
    init_seed: int,
    predict: str,
    width: int,
    scales: int = 3,
    common_mode: bool = True,
) -> DenoisingUNet:
    """Build a denoiser with an encoder of a family; see `dinov3_unet` for the arguments.

    Raises:
        WeightsError: the weights are missing, unreadable, or of another size.
    """
    random = str(weights) == "none"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(init_seed)
        if random:
            encoder, card = create_encoder(family, size), _card("random, seeded")
        else:
            encoder, card = _pretrained(family, size, str(weights))
        name = family.sizes[size]
        facts = {
            "architecture": f"{family.title}, size {size} (timm {name}), with a U-Net decoder",
            **card,
            "source": family.source,
        }
        return family.network(
            encoder,
            trained_stem=random,
            width=width,
            scales=scales,
            predict=predict,
            common_mode=common_mode,
            card=facts,
        )


def create_encoder(family: Family, size: str, *, tag: str = "") -> nn.Module:
    """Build an encoder with one input channel.

    Args:
        family: the family of the encoder.
        size: the size of the encoder.
        tag: timm's name of the pretrained weights; empty: random weights from torch's global
            generator.
    """
    # LayerScale starts at 1e-5 or less; with random weights, adapters would then have no effect.
    options = {family.layer_scale: 1.0, **family.always, **(family.tiny if size == "tiny" else {})}
    encoder: nn.Module = timm.create_model(
        f"{family.sizes[size]}.{tag}" if tag else family.sizes[size],
        pretrained=bool(tag),
        num_classes=0,
        in_chans=1,
        **options,
    )
    return encoder


def _pretrained(family: Family, size: str, weights: str) -> tuple[nn.Module, dict[str, str]]:
    """Return the encoder, and the entries of the card about its weights."""
    if weights == "shipped":
        return _shipped(family, size)
    kind, _, tag = weights.partition(":")
    if kind == "hub":
        encoder, origin = _from_hub(family, size, weights, tag or family.tags[0])
    else:
        encoder, origin = _from_file(family, size, weights)
    if size == "tiny":
        return encoder, _card(origin, "unknown: that of the weights file")
    if family.licence.restricted:
        _announce(family.licence)
    return encoder, _card(origin, str(family.licence))


def _shipped(family: Family, size: str) -> tuple[nn.Module, dict[str, str]]:
    if size != "tiny" or not family.shipped:
        raise WeightsError(
            f"weights 'shipped' of size {size!r}",
            f"{family.title} ships weights of its size 'tiny' only, if at all",
            family.remedy(size),
        )
    resource = files(PACKAGE).joinpath(*family.shipped.split("/"))
    if not resource.is_file():
        raise WeightsError(
            family.shipped,
            f"this installation of {PACKAGE} lacks the file",
            "Install the package again, or give `weights: none`",
        )
    encoder = create_encoder(family, size)
    with as_file(resource) as path:
        facts = load_checkpoint(encoder, path, family, size)
    summary = ", ".join(f"{key}: {value}" for key, value in sorted(facts.items()))
    return encoder, _card(f"shipped ({summary})" if summary else "shipped", f"{APACHE}; made here")


def _from_hub(family: Family, size: str, weights: str, tag: str) -> tuple[nn.Module, str]:
    if size == "tiny" or tag not in family.tags:
        weight_tags = ", ".join(f"hub:{family_tag}" for family_tag in family.tags)
        rule = f"the hub has {weight_tags}, for every size but 'tiny'"
        raise WeightsError(f"weights {weights!r} of size {size!r}", rule, family.remedy(size))
    name = f"{family.sizes[size]}.{tag}"
    try:
        return create_encoder(family, size, tag=tag), f"hf.co/timm/{name}"
    except Exception as error:  # timm, the hub and its HTTP library raise classes of their own
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(weights, f"cannot load {name} ({first})", family.remedy(size)) from error


def _from_file(family: Family, size: str, weights: str) -> tuple[nn.Module, str]:
    path = Path(weights)
    if not path.is_file():
        raise WeightsError(weights, "there is no such weights file", family.remedy(size))
    encoder = create_encoder(family, size)
    load_checkpoint(encoder, path, family, size)
    return encoder, f"local file {path.name}"


def _card(origin: str, licence: str = "none (random weights)") -> dict[str, str]:
    return {"weights": origin, "licence": licence}


@cache
def _announce(licence: Licence) -> None:
    """Log the licence once per process; it also applies to adapters made with the weights."""
    _log.warning(
        "The pretrained weights are under the %s, which also applies to derived weights", licence
    )
