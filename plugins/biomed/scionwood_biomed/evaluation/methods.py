"""Ways to adapt a frozen two-tower model to few shots, all with one set of hyper-parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from scionwood import attach, parameter_groups
from scionwood_biomed.adapters.dual_anchor.kept import towards
from scionwood_biomed.evaluation.cocoop import ConditionalContext
from scionwood_biomed.evaluation.linear_probe import linear_probe
from scionwood_biomed.evaluation.settings import ADAPTED, Recipe, Settings
from scionwood_biomed.model.model import ClipBackbone
from scionwood_biomed.tasks.anchors import Prompts
from scionwood_biomed.tasks.few_shot import FewShot, prompts
from scionwood_biomed.tasks.wording import TEMPLATE


@final
class Shots(NamedTuple):
    """What a method may learn from.

    Attributes:
        image: (image, 3, size, size) float32, 0 to 1.
        label: (image,) int64.
        classes: names.
        experts: sentences by class, or None.
    """

    image: Tensor
    label: Tensor
    classes: list[str]
    experts: Prompts | None = None


class Arm(ABC):
    """A method on one backbone of its own.

    Args:
        backbone: the frozen towers, changed in place.
        settings: the hyper-parameters.
    """

    def __init__(self, backbone: ClipBackbone, settings: Settings) -> None:
        self.backbone, self.settings = backbone.eval().requires_grad_(False), settings

    @abstractmethod
    def fit(self, shots: Shots, seed: int) -> None:
        """Learn from shots."""

    @torch.no_grad()
    def features(self, image: Tensor) -> Tensor:
        """(batch, feature) of images, which no text changes."""
        return self.backbone.image_features(image)

    @torch.no_grad()
    def probabilities(
        self, features: Tensor, texts: Sequence[str], classes: Sequence[str]
    ) -> Tensor:
        """(batch, class), for features of images against a prompt of each class."""
        text = self.texts(texts, classes)
        return self.backbone.logits(features, text).softmax(-1)

    def texts(self, texts: Sequence[str], classes: Sequence[str]) -> Tensor:
        """(class, feature) of prompts."""
        return self.backbone.text_features(self.backbone.tokenize(texts))

    def trainable(self) -> int:
        """Trained parameters."""
        return 0


@final
class ZeroShot(Arm):
    """The frozen towers."""

    def fit(self, shots: Shots, seed: int) -> None:
        """Nothing is learned."""


@final
class LinearProbe(Arm):
    """A softmax regression on image features that starts at the texts; prompts no longer matter.

    Of other classes than those of its shots it knows nothing, and answers zero-shot.
    """

    weight: Tensor | None = None

    @torch.no_grad()
    def fit(self, shots: Shots, seed: int) -> None:
        """See `probe.linear_probe`."""
        tower = self.backbone
        scale = tower.clip.logit_scale.exp()
        text = tower.text_features(tower.tokenize(prompts(TEMPLATE, shots.classes)))
        weight = linear_probe(tower.image_features(shots.image), shots.label, scale * text)
        self.weight, self.classes = weight, shots.classes

    @torch.no_grad()
    def probabilities(
        self, features: Tensor, texts: Sequence[str], classes: Sequence[str]
    ) -> Tensor:
        """See `Arm.probabilities`."""
        if self.weight is None or list(classes) != self.classes:
            return super().probabilities(features, texts, classes)
        return (features @ self.weight.T).softmax(-1)

    def trainable(self) -> int:
        """Trained parameters."""
        return 0 if self.weight is None else self.weight.numel()


@final
class Adapted(Arm):
    """An adapter and the task `biomed/few_shot`, trained in a plain loop.

    Args:
        backbone: the frozen towers, changed in place.
        settings: the hyper-parameters.
        recipe: what is special about the method.
    """

    def __init__(self, backbone: ClipBackbone, settings: Settings, recipe: Recipe) -> None:
        super().__init__(backbone, settings)
        self.recipe = recipe

    def fit(self, shots: Shots, seed: int) -> None:
        """Attach and train."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config = self.recipe.config(self.settings)
            self.model = attach(self.backbone, config, targets=self.recipe.targets)
            self.task = FewShot(self.model, template=TEMPLATE, **self.recipe.options(self.settings))
            self.task.experts = shots.experts
            self.task.remember(shots.image, shots.label, len(shots.classes))
            self.task.train()
            train(self.model, lambda b, _: self.task.losses(b)["loss"], shots, self.settings)
        self.task.eval()
        if self.recipe.keeps:
            self.kept = shots.classes
            self.anchors = self.task.settled(shots.image, shots.label, shots.classes)

    def texts(self, texts: Sequence[str], classes: Sequence[str]) -> Tensor:
        """See `Arm.texts`; those of kept anchors are moved towards them."""
        plain = super().texts(texts, classes)
        if not self.recipe.keeps:
            return plain
        return towards(plain, classes, self.kept, self.anchors, self.settings.keep)

    def trainable(self) -> int:
        """Trained parameters."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)


@final
class CoCoOp(Arm):
    """CoOp with offsets that also depend on the image, through a small network."""

    def fit(self, shots: Shots, seed: int) -> None:
        """Train the offsets and the network."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.context = ConditionalContext(self.backbone, TEMPLATE)
            texts = prompts(TEMPLATE, shots.classes)

            def loss(batch: dict[str, Any], _: int) -> Tensor:
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
        """See `Arm.probabilities`."""
        return self.context.logits(self.backbone, features, list(texts)).softmax(-1)

    def trainable(self) -> int:
        """Trained parameters."""
        return sum(p.numel() for p in self.learned.parameters())


METHODS = ("zero_shot", "linear_probe", "single_template", "single_template_kept",
           "prompt_augmentation", "coop", "cocoop", "kgcoop", "lora", "dual_anchor_loss",
           "dual_anchor", "dual_anchor_lora")  # fmt: skip


def arm(method: str, backbone: ClipBackbone, settings: Settings) -> Arm:
    """The method of that name, of `METHODS`, on a backbone."""
    if method in ADAPTED:
        return Adapted(backbone, settings, ADAPTED[method])
    plain: dict[str, type[Arm]] = {
        "zero_shot": ZeroShot,
        "linear_probe": LinearProbe,
        "cocoop": CoCoOp,
    }
    return plain[method](backbone, settings)


def train(
    model: nn.Module,
    loss: Callable[[dict[str, Any], int], Tensor],
    shots: Shots,
    settings: Settings,
) -> None:
    """AdamW with half a cosine over random batches of the shots; gradients of norm 1 at most."""
    groups = parameter_groups(model, settings.lr, settings.weight_decay)
    optimizer = torch.optim.AdamW(groups, lr=settings.lr, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(settings.steps, 1))
    trained = [p for p in model.parameters() if p.requires_grad]
    for step, batch in enumerate(_batches(shots, settings)):
        optimizer.zero_grad()
        loss(batch, step).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()


def _batches(shots: Shots, settings: Settings) -> Iterator[dict[str, Any]]:
    order = torch.zeros(0, dtype=torch.long)
    for _ in range(settings.steps):
        if len(order) < min(settings.batch_size, len(shots.label)):
            order = torch.cat([order, torch.randperm(len(shots.label))])
        at, order = order[: settings.batch_size], order[settings.batch_size :]
        at = at.to(shots.image.device)
        image, label = shots.image[at], shots.label[at]
        yield {"image": image, "label": label, "classes": shots.classes}
