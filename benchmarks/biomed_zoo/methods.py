"""Methods that adapt a frozen two-tower model to few shots, with one set of hyper-parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from biomed_zoo.base import Method as Method
from biomed_zoo.base import Shots as Shots
from biomed_zoo.biomed_coop import BiomedCoOp
from biomed_zoo.cocoop import ConditionalContext
from biomed_zoo.frozen import (
    BlockwiseLda,
    ClassMean,
    Frozen,
    LpPlusPlus,
    Pooled,
    RawPixels,
    Regression,
    TipAdapter,
    TipAdapterF,
    pooled_features,
)
from biomed_zoo.maple import MaPLe
from biomed_zoo.settings import VARIANTS, AdapterVariant, Settings
from biomed_zoo.training import train
from scionwood import attach
from scionwood_biomed.adapters.dual_anchor.kept_anchors import move_towards
from scionwood_biomed.evaluation.linear_probe import linear_probe
from scionwood_biomed.model.towers import ClipBackbone
from scionwood_biomed.tasks.few_shot import FewShot, prompts
from scionwood_biomed.tasks.wording import TEMPLATE


@final
class ZeroShot(Method):
    """The frozen two-tower model."""

    def fit(self, shots: Shots, seed: int) -> None:
        """Do nothing: zero-shot classification has no training."""


@final
class LinearProbe(Method):
    """A softmax regression on image features that starts at the text features of the classes.

    After training, prompts no longer matter. Classes that differ from those of the shots are
    classified zero-shot.
    """

    weight: Tensor | None = None

    @torch.no_grad()
    def fit(self, shots: Shots, seed: int) -> None:
        """Fit the regression; see `linear_probe`."""
        tower = self.backbone
        scale = tower.clip.logit_scale.exp()
        text = tower.text_features(tower.tokenize(prompts(TEMPLATE, shots.classes)))
        weight = linear_probe(tower.image_features(shots.image), shots.label, scale * text)
        self.weight, self.classes = weight, shots.classes

    @torch.no_grad()
    def probabilities(
        self, features: Tensor, texts: Sequence[str], classes: Sequence[str]
    ) -> Tensor:
        """Return (batch, class); see `Method.probabilities`."""
        if self.weight is None or list(classes) != self.classes:
            return super().probabilities(features, texts, classes)
        return (features @ self.weight.T).softmax(-1)

    def trainable(self) -> int:
        """Return the number of trained parameters."""
        return 0 if self.weight is None else self.weight.numel()


@final
class Adapted(Method):
    """An adapter trained with the losses of the task `biomed/few_shot`.

    Args:
        backbone: the two-tower model, which is frozen and changed in place.
        settings: the hyper-parameters.
        variant: the adapter and its losses.
    """

    def __init__(self, backbone: ClipBackbone, settings: Settings, variant: AdapterVariant) -> None:
        super().__init__(backbone, settings)
        self.variant = variant

    def fit(self, shots: Shots, seed: int) -> None:
        """Attach the adapter and train it."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = self.variant.config(self.settings)
            self.model = attach(self.backbone, config, targets=self.variant.targets)
            self.task = FewShot(self.model, template=TEMPLATE, **self.variant.losses(self.settings))
            self.task.experts = shots.experts
            self.task.compute_prototypes(shots.image, shots.label, len(shots.classes))
            self.task.train()
            train(self.model, lambda batch: self.task.losses(batch)["loss"], shots, self.settings)
        self.task.eval()
        if self.variant.keeps_anchors:
            self.kept = shots.classes
            self.anchors = self.task.kept_anchors(shots.image, shots.label, shots.classes)

    def texts(self, texts: Sequence[str], classes: Sequence[str]) -> Tensor:
        """Return the text features (class, feature), moved towards the kept anchors if any."""
        plain = super().texts(texts, classes)
        if not self.variant.keeps_anchors:
            return plain
        return move_towards(plain, classes, self.kept, self.anchors, self.settings.keep)

    def trainable(self) -> int:
        """Return the number of trained parameters."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)


@final
class CoCoOp(Method):
    """CoOp whose offsets also depend on the image, through a small network."""

    def fit(self, shots: Shots, seed: int) -> None:
        """Train the offsets and the network."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.context = ConditionalContext(self.backbone, TEMPLATE)
            texts = prompts(TEMPLATE, shots.classes)

            def loss(batch: dict[str, Any]) -> Tensor:
                features = self.backbone.image_features(batch["image"])
                logits = self.context.logits(self.backbone, features, texts)
                return nn.functional.cross_entropy(logits, batch["label"])

            heads = [self.backbone.get_submodule(name) for name in self.backbone.head]
            self.learned = nn.ModuleList([self.context, *heads]).requires_grad_(True)
            train(self.learned, loss, shots, self.settings)

    @torch.no_grad()
    def probabilities(
        self, features: Tensor, texts: Sequence[str], classes: Sequence[str]
    ) -> Tensor:
        """Return (batch, class); see `Method.probabilities`."""
        return self.context.logits(self.backbone, features, list(texts)).softmax(-1)

    def trainable(self) -> int:
        """Return the number of trained parameters."""
        return sum(p.numel() for p in self.learned.parameters())


FROZEN: dict[str, type[Frozen]] = {
    "raw_pixels": RawPixels,
    "class_mean": ClassMean,
    "logistic_regression": Regression,
    "blockwise_lda": BlockwiseLda,
}
"""By name: methods on frozen features that read no prompt."""
OTHERS: dict[str, type[Method]] = {
    "lp_plus_plus": LpPlusPlus,
    "tip_adapter": TipAdapter,
    "tip_adapter_f": TipAdapterF,
    "zero_shot": ZeroShot,
    "linear_probe": LinearProbe,
    "cocoop": CoCoOp,
    "biomed_coop": BiomedCoOp,
    "maple": MaPLe,
}
"""By name: methods without an adapter of the plugin."""
METHODS = (*FROZEN, "lp_plus_plus", "tip_adapter", "tip_adapter_f", "zero_shot", "linear_probe",
           "single_template", "single_template_kept", "prompt_augmentation", "coop", "cocoop",
           "kgcoop", "biomed_coop", "maple", "lora", "dual_anchor_loss", "dual_anchor",
           "dual_anchor_lora")  # fmt: skip
ANY_TOWER = tuple(name for name in METHODS if name != "maple")
"""Methods for every vision tower; `maple` needs a vision transformer."""


def reads_prompt(name: str) -> bool:
    """Return whether the answer of a method depends on the wording of a class."""
    return name not in FROZEN and name != "linear_probe"


def make_method(
    name: str, backbone: ClipBackbone, settings: Settings, pooled: Pooled = pooled_features
) -> Method:
    """Build a method.

    Args:
        name: one of `METHODS`.
        backbone: the two-tower model, which is frozen and changed in place.
        settings: the hyper-parameters.
        pooled: computes the features of the blocks, for methods on frozen features.
    """
    if name in VARIANTS:
        return Adapted(backbone, settings, VARIANTS[name])
    if name in FROZEN:
        return FROZEN[name](backbone, settings, pooled)
    return OTHERS[name](backbone, settings)
