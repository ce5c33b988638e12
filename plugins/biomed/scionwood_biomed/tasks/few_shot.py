"""What is learned: the class of an image from its likeness to texts, from few shots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Task
from scionwood_biomed.adapters.dual_anchor.kept import keep, keeps, steadied
from scionwood_biomed.tasks.anchors import (
    Prompts,
    confidence,
    mean_text,
    prompts_of,
    prototypes,
    pull,
    read_prompts,
)

if TYPE_CHECKING:
    import lightning as L
    from matplotlib.figure import Figure

SEEN = 64
"""Images at a time where prototypes are made."""

Low = Literal["classname", "prototype", "both"]


@final
class FewShot(Task):
    """Cross-entropy over the classes' texts, which two anchors hold in place.

    The high anchor of a class is the mean of its expert prompts, the low one its bare name or the
    mean of its training shots; all of them as the frozen towers see them. A step adds
    `expert_weight E[w (1 - cos(t, high))] + low_weight E[w (1 - cos(t, low))]` over its images,
    w = 1, or `1 - H / log C` of the prediction. Validation has no anchors. When a run is over, a
    dual-anchor adapter keeps those of its classes (`settled`), and `predict` uses them.

    Shapes: a batch holds `image` (batch, 3, size, size) float32, `label` (batch,) int64 and
        `classes`, the names; `texts` where they stand for the classes instead of template and name.

    Units: images from 0 black to 1 white; accuracy and calibration error from 0 to 1.

    Raises:
        ReadError: the file of expert prompts is damaged.

    Source: a reconstruction of BiomedAP (arXiv:2605.15736), whose released code has neither
        prototypes nor an entropy term and other weights for each data set; here they are fixed.

    Args:
        backbone: `biomed/clip`, its adapter attached.
        template: the words before a class's name; those of the adapter.
        experts: a file of expert prompts by class, JSON or CSV; null: four plain sentences.
        expert_weight: of the high anchor.
        low: what the low anchor is.
        low_weight: of the low anchor.
        adaptive: weigh anchors by the confidence of the prediction.
        varied: in training, draw a class's sentence from the template's and the expert prompts.
        lr: learning rate.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        template: str = "a photo of a",
        experts: str | Path | None = None,
        expert_weight: float = 2.0,
        low: Low = "both",
        low_weight: float = 1.0,
        adaptive: bool = False,
        varied: bool = False,
        lr: float = 2e-3,
        weight_decay: float = 1e-4,
        warmup_steps: int = 10,
        schedule: Literal["constant", "cosine"] = "cosine",
    ) -> None:
        super().__init__(
            backbone, lr=lr, weight_decay=weight_decay, warmup_steps=warmup_steps, schedule=schedule
        )
        self.template, self.low, self.adaptive = template, low, adaptive
        self.varied = varied
        self.expert_weight, self.low_weight = expert_weight, low_weight
        self.experts: Prompts | None = None if experts is None else read_prompts(Path(experts))
        self._texts: dict[tuple[str, ...], tuple[Tensor, Tensor]] = {}
        self._shots: tuple[Tensor, Tensor] | None = None
        self._frozen: dict[str, Tensor] = {}

    @property
    def towers(self) -> Any:
        """The backbone's own methods, which an adapter passes on."""
        return self.backbone

    def on_fit_start(self) -> None:
        """See all training shots once, for the prototypes of the low anchor."""
        self._frozen = {}
        data = getattr(self.trainer, "datamodule", None)
        if data is None or self.low == "classname" or self.low_weight == 0:
            return
        image, label, classes = _all_shots(data)
        self.remember(image, label, len(classes))

    def before_export(self, trainer: L.Trainer) -> None:
        """Let the adapter keep the anchors of its classes."""
        data = getattr(trainer, "datamodule", None)
        if data is not None and keeps(self.backbone):
            image, label, classes = _all_shots(data)
            keep(self.backbone, classes, self.settled(image, label, classes))

    @torch.no_grad()
    def settled(self, image: Tensor, label: Tensor, classes: Sequence[str]) -> Tensor:
        """What an adapter keeps: the mean of both anchors, as the trained towers see them.

        The high anchor is the mean of all sentences that stand for a class in training; the low one
        is the mean of its images, or with `low: classname` its bare name. A class without images
        has the high one alone.

        Args:
            image: (image, 3, size, size) float32, 0 to 1.
            label: (image,) int64.
            classes: names.

        Returns:
            (class, feature) of length 1.
        """
        with _evaluating(self.backbone):
            high = mean_text(self.towers, self._every_sentence(classes))
            if self.low == "classname":
                low = mean_text(self.towers, [[name] for name in classes])
            else:
                parts = image.split(SEEN)
                seen = [self.towers.image_features(part.to(self.device)) for part in parts]
                low, _ = prototypes(torch.cat(seen), label.to(self.device), len(classes))
        return F.normalize(high + low, dim=-1)

    def remember(self, image: Tensor, label: Tensor, classes: int) -> None:
        """Take the prototypes of the low anchor from these shots.

        Args:
            image: (image, 3, size, size) float32, 0 to 1.
            label: (image,) int64.
            classes: their number.
        """
        parts = [self.frozen_features(part.to(self.device)) for part in image.split(SEEN)]
        self._shots = prototypes(torch.cat(parts), label.to(self.device), classes)

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The cross-entropy; in training with the anchors."""
        image, text = self.features(batch)
        logits = self.towers.logits(image, text)
        loss = F.cross_entropy(logits, batch["label"])
        if not self.training or not (self.expert_weight or self.low_weight):
            return {"loss": loss}
        high, low = self.anchors(batch, image, text, logits)
        total = loss + self.expert_weight * high + self.low_weight * low
        return {"loss": total, "classes": loss, "expert": high, "low": low}

    def metrics(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The share of right answers."""
        right = self.predict(batch).argmax(-1) == batch["label"]
        return {"accuracy": right.float().mean()}

    def draw(self, batch: dict[str, Any]) -> dict[str, Figure]:
        """The reliability of a batch's predictions, and where the fused tokens look."""
        from scionwood_biomed.evaluation.figures import of_batch

        return of_batch(self, batch)

    def predict(self, batch: dict[str, Any]) -> Tensor:
        """(batch, class), probabilities."""
        image, text = self.features(batch)
        text = steadied(self.backbone, batch["classes"], text)
        probabilities: Tensor = self.towers.logits(image, text).softmax(-1)
        return probabilities

    def features(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """(batch, feature) of the images and (class, feature) of the texts, of length 1."""
        texts = batch.get("texts") or self._sentences(batch["classes"])
        return self.towers.image_features(batch["image"]), self._text_features(texts)

    def anchors(
        self, batch: dict[str, Any], image: Tensor, text: Tensor, logits: Tensor
    ) -> tuple[Tensor, Tensor]:
        """How far the texts are from the high and the low anchor."""
        label, all_known = batch["label"], torch.ones(len(text), device=text.device)
        weight = confidence(logits) if self.adaptive else torch.ones_like(logits[:, 0])
        expert, plain = self._frozen_texts(tuple(batch["classes"]))
        high = pull(text, expert, label, weight, all_known)
        lows = []
        if self.low != "prototype":
            lows.append(pull(text, plain, label, weight, all_known))
        if self.low != "classname":
            means, known = self._prototypes(batch, image)
            lows.append(pull(text, means, label, weight, known))
        return high, torch.stack(lows).mean()

    @torch.no_grad()
    def frozen_features(self, image: Tensor) -> Tensor:
        """(batch, feature) of the images, without the adapter."""
        with _without_adapter(self.backbone):
            features: Tensor = self.towers.image_features(image)
        return features

    def _frozen_texts(self, classes: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        """(class, feature) of the expert prompts and of the bare names, without the adapter."""
        if classes not in self._texts:
            with _without_adapter(self.backbone):
                expert = mean_text(self.towers, prompts_of(classes, self.experts))
                plain = mean_text(self.towers, [[name] for name in classes])
            self._texts = {classes: (expert, plain)}
        expert, plain = self._texts[classes]
        return expert.to(self.device), plain.to(self.device)

    def _text_features(self, texts: Sequence[str]) -> Tensor:
        """(text, feature); in training once for each text, where the text tower is frozen."""
        if not self.training or _texts_move(self.backbone):
            features: Tensor = self.towers.text_features(self.towers.tokenize(texts))
            return features
        if new := [text for text in dict.fromkeys(texts) if text not in self._frozen]:
            with torch.no_grad(), _evaluating(self.backbone):
                found = self.towers.text_features(self.towers.tokenize(new))
            self._frozen |= dict(zip(new, found, strict=True))
        return torch.stack([self._frozen[text] for text in texts])

    def _sentences(self, classes: Sequence[str]) -> list[str]:
        """What stands for each class in a step."""
        plain = prompts(self.template, classes)
        if not (self.training and self.varied):
            return plain
        sentences = self._every_sentence(classes)
        return [own[int(torch.randint(len(own), ()))] for own in sentences]

    def _every_sentence(self, classes: Sequence[str]) -> list[list[str]]:
        """For each class the template's sentence and the expert prompts."""
        plain, experts = prompts(self.template, classes), prompts_of(classes, self.experts)
        return [[one, *more] for one, more in zip(plain, experts, strict=True)]

    def _prototypes(self, batch: dict[str, Any], image: Tensor) -> tuple[Tensor, Tensor]:
        """Those of all shots; outside a run, or where the projection trains, of the batch."""
        if self._shots is not None and not self._moves:
            return self._shots
        features = image.detach() if self._moves else self.frozen_features(batch["image"])
        return prototypes(features, batch["label"], len(batch["classes"]))

    @property
    def _moves(self) -> bool:
        """Whether the space of image features moves, so that earlier prototypes mean nothing."""
        return bool(self.towers.head)


def _all_shots(data: Any) -> tuple[Tensor, Tensor, list[str]]:
    """Images, labels and names of classes of the training split."""
    batches = list(data.train_dataloader())
    image, label = (torch.cat([batch[key] for batch in batches]) for key in ("image", "label"))
    return image, label, list(batches[0]["classes"])


def prompts(template: str, classes: Sequence[str]) -> list[str]:
    """What stands for each class: the template's words and its name."""
    return [f"{template} {name}".strip() for name in classes]


@contextmanager
def _without_adapter(backbone: Any) -> Iterator[None]:
    if not hasattr(backbone, "disable_adapter"):
        yield
        return
    with backbone.disable_adapter(), _evaluating(backbone):
        yield


@contextmanager
def _evaluating(backbone: nn.Module) -> Iterator[None]:
    """Every module, and then each in its mode of before: frozen norms stay in evaluation."""
    modes = [(module, module.training) for module in backbone.modules()]
    backbone.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _texts_move(backbone: nn.Module) -> bool:
    """Whether something beside the vision tower trains."""
    named = backbone.named_parameters()
    return any(p.requires_grad and ".visual." not in name for name, p in named)
