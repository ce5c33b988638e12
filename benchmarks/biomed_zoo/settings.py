"""The hyper-parameters that all methods share, and the variants of adapters among the methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypedDict, final

from peft import LoraConfig, PeftConfig

from scionwood_biomed.adapters.dual_anchor.config import DualAnchorConfig
from scionwood_biomed.tasks.wording import TEMPLATE


@final
@dataclass(frozen=True)
class Settings:
    """One set of hyper-parameters for every method and data set.

    All values except batch size, weight decay and rank were chosen on training slices, see
    `docs/results/biomed.md`.

    Attributes:
        steps: optimiser steps.
        batch_size: images per step.
        lr: initial learning rate of AdamW, which falls to zero along half a cosine.
        weight_decay: decoupled weight decay.
        rank: rank of LoRA.
        varied: train dual anchors under varied sentences, as prompt augmentation does.
        anchors: weight of the low anchor of dual anchors, and half the weight of the high anchor.
        keep: weight of kept anchors during inference.
    """

    steps: int = 100
    batch_size: int = 16
    lr: float = 4e-3
    weight_decay: float = 1e-4
    rank: int = 4
    varied: bool = True
    anchors: float = 0.0625
    keep: float = 0.25


DEFAULTS = Settings()


@final
class Losses(TypedDict, total=False):
    """Options of `FewShot` in which the adapter variants differ."""

    expert_weight: float
    low_weight: float
    varied: bool


@final
@dataclass(frozen=True)
class AdapterVariant:
    """One adapter method of the comparison.

    Attributes:
        config: builds the configuration of the adapter.
        targets: the backbone's preset of targeted modules.
        losses: builds the options of `FewShot`.
        keeps_anchors: whether the anchors of the classes take part in inference.
    """

    config: Callable[[Settings], PeftConfig]
    targets: str
    losses: Callable[[Settings], Losses]
    keeps_anchors: bool = False


def _plain(_: Settings) -> Losses:
    return {"expert_weight": 0.0, "low_weight": 0.0}


def _kgcoop(_: Settings) -> Losses:
    return {"expert_weight": 8.0, "low_weight": 0.0}


def _augmented(settings: Settings) -> Losses:
    return {**_plain(settings), "varied": True}


def _anchored(settings: Settings) -> Losses:
    return {
        "expert_weight": 2 * settings.anchors,
        "low_weight": settings.anchors,
        "varied": settings.varied,
    }


def _context(_: Settings) -> PeftConfig:
    return DualAnchorConfig(prompts=0, fusion=[], template=TEMPLATE)


def _lora(settings: Settings) -> PeftConfig:
    return LoraConfig(r=settings.rank, lora_alpha=2 * settings.rank)


def _dual(_: Settings) -> PeftConfig:
    return DualAnchorConfig(template=TEMPLATE)


def _dual_lora(settings: Settings) -> PeftConfig:
    return DualAnchorConfig(template=TEMPLATE, rank=settings.rank)


VARIANTS = {
    "coop": AdapterVariant(_context, "context", _plain),
    "kgcoop": AdapterVariant(_context, "context", _kgcoop),
    "lora": AdapterVariant(_lora, "attention", _plain),
    "single_template": AdapterVariant(_lora, "vision", _plain),
    "single_template_kept": AdapterVariant(_lora, "vision", _plain, keeps_anchors=True),
    "prompt_augmentation": AdapterVariant(_lora, "vision", _augmented),
    "dual_anchor_loss": AdapterVariant(_dual, "dual", _anchored),
    "dual_anchor": AdapterVariant(_dual, "dual", _anchored, keeps_anchors=True),
    "dual_anchor_lora": AdapterVariant(_dual_lora, "dual-lora", _anchored, keeps_anchors=True),
}
"""By name of the method: its adapter and losses.

CoOp starts at the template's words. KgCoOp adds a pull towards plain sentences, with the published
weight of 8. `single_template` and `prompt_augmentation` are LoRA on the vision tower with a frozen
text tower; the first trains under one sentence, the second under varied ones. `dual_anchor_lora`
also updates the projections of both towers, in one adapter. Methods that keep anchors use them
during inference; `dual_anchor_loss` uses anchors in training only, as the paper does.
"""
