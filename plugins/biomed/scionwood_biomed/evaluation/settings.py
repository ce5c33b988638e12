"""The settings of all methods, and how the adapters among them differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from peft import LoraConfig

from scionwood_biomed.adapters.dual_anchor.config import DualAnchorConfig
from scionwood_biomed.tasks.wording import TEMPLATE


@final
@dataclass(frozen=True)
class Settings:
    """The one set of hyper-parameters, for every method and data set.

    All but batch, decay and rank were chosen on training slices (`benchmarks/biomed_tuning.py`).

    Attributes:
        steps: of the optimizer.
        batch_size: images a step.
        lr: of AdamW, half a cosine down to zero.
        weight_decay: decoupled.
        rank: of LoRA.
        varied: dual anchors learn under varied sentences, as prompt augmentation does.
        anchors: of dual anchors, the weight of the low anchor, and half of that of the high one.
        keep: the weight in inference of anchors that are kept.
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
@dataclass(frozen=True)
class Recipe:
    """How an adapter arm differs from the others.

    Attributes:
        config: makes the adapter's options.
        targets: a preset of the backbone.
        options: makes those of `FewShot`.
        keeps: the anchors of its classes steady its answers.
    """

    config: Callable[[Settings], Any]
    targets: str
    options: Callable[[Settings], Mapping[str, Any]]
    keeps: bool = False


def _none(_: Settings) -> Mapping[str, Any]:
    return {"expert_weight": 0.0, "low_weight": 0.0}


def _pulled(_: Settings) -> Mapping[str, Any]:
    return {"expert_weight": 8.0, "low_weight": 0.0}


def _augmented(settings: Settings) -> Mapping[str, Any]:
    return {**_none(settings), "varied": True}


def _anchored(settings: Settings) -> Mapping[str, Any]:
    weights = {"expert_weight": 2 * settings.anchors, "low_weight": settings.anchors}
    return {**weights, "varied": settings.varied}


def _context(_: Settings) -> Any:
    return DualAnchorConfig(prompts=0, fusion=[], template=TEMPLATE)


def _lora(settings: Settings) -> Any:
    return LoraConfig(r=settings.rank, lora_alpha=2 * settings.rank)


def _dual(_: Settings) -> Any:
    return DualAnchorConfig(template=TEMPLATE)


def _dual_lora(settings: Settings) -> Any:
    return DualAnchorConfig(template=TEMPLATE, rank=settings.rank)


ADAPTED = {
    "coop": Recipe(_context, "context", _none),
    "kgcoop": Recipe(_context, "context", _pulled),
    "lora": Recipe(_lora, "attention", _none),
    "single_template": Recipe(_lora, "vision", _none),
    "single_template_kept": Recipe(_lora, "vision", _none, keeps=True),
    "prompt_augmentation": Recipe(_lora, "vision", _augmented),
    "dual_anchor_loss": Recipe(_dual, "dual", _anchored),
    "dual_anchor": Recipe(_dual, "dual", _anchored, keeps=True),
    "dual_anchor_lora": Recipe(_dual_lora, "dual-lora", _anchored, keeps=True),
}
"""CoOp starts at the template's words; KgCoOp adds its pull, of the published weight, towards
sentences that nobody trained; single template and prompt augmentation are LoRA on the vision tower
whose texts stay frozen, under one sentence and under varied ones; dual anchors with LoRA update the
projections of both towers too, in one adapter. Where anchors are kept they take part in inference;
`dual_anchor_loss` has them in training only, as the paper does."""
