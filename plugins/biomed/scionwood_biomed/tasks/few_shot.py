"""Few-shot classification: an image gets the class whose text is most similar to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, Task, resolve
from scionwood.authoring import Deployed
from scionwood_biomed.adapters.dual_anchor.kept_anchors import (
    apply_anchors,
    keep_anchors,
    keeps_anchors,
)
from scionwood_biomed.model.towers import ClipBackbone
from scionwood_biomed.tasks.anchors import (
    Prompts,
    confidence,
    mean_text,
    prompts_of,
    prototypes,
    pull,
    read_prompts,
)
from scionwood_biomed.tasks.deployed import classifier, two_towers
from scionwood_biomed.tasks.modes import evaluating, trains_text, without_adapter

if TYPE_CHECKING:
    import lightning as L
    from matplotlib.figure import Figure

BATCH = 64
"""Images per forward pass when prototypes are computed."""

Low = Literal["classname", "prototype", "both"]


@final
class FewShot(Task):
    """Cross-entropy over the similarities of images and class texts, regularised by two anchors.

    The high anchor of a class is the mean text feature of its expert prompts. The low anchor is the
    feature of its bare name, the mean image feature of its training shots, or both. Anchors are
    computed by the frozen towers, without the adapter. A training step adds
    `expert_weight E[w (1 - cos(t, high))] + low_weight E[w (1 - cos(t, low))]` over its images.
    The weight w is 1, or `1 - H / log C` of the prediction if `adaptive`. Validation adds no
    anchors. When a run ends, a dual-anchor adapter stores the anchors of its classes (see
    `kept_anchors`), and `predict` uses them.

    Shapes: a batch holds `image` (batch, 3, size, size) float32, `label` (batch,) int64 and
        `classes`, the class names. The optional `texts`, one prompt per class, replaces the prompts
        that are made of template and name.

    Units: images from 0 (black) to 1 (white); accuracy and calibration error from 0 to 1.

    Raises:
        ReadError: the file of expert prompts is damaged.

    Source: a reconstruction of BiomedAP (arXiv:2605.15736). Its released code has neither
        prototypes nor an entropy term, and other weights for each data set; here they are fixed.

    Args:
        backbone: `biomed/clip` with its adapter attached.
        template: the words before a class name; use the template of the adapter.
        experts: a file of expert prompts by class, JSON or CSV; `None` means four plain sentences.
        expert_weight: weight of the high anchor.
        low: the low anchor: the class name, the prototype of the shots, or both.
        low_weight: weight of the low anchor.
        adaptive: weight the anchors by the confidence of the prediction.
        varied: in training, draw each class's sentence from the template and the expert prompts.
        optimiser: the options of the optimiser; see `Task`.
    """

    defaults: ClassVar[Optimiser] = {
        "lr": 2e-3,
        "weight_decay": 1e-4,
        "warmup_steps": 10,
        "schedule": "cosine",
    }

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
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.template, self.low, self.adaptive = template, low, adaptive
        self.varied = varied
        self.expert_weight, self.low_weight = expert_weight, low_weight
        self.experts: Prompts | None = None if experts is None else read_prompts(Path(experts))
        self._texts: dict[tuple[str, ...], tuple[Tensor, Tensor]] = {}
        self._shots: tuple[Tensor, Tensor] | None = None
        self._frozen: dict[str, Tensor] = {}

    @property
    def towers(self) -> ClipBackbone:
        """The backbone; the wrapper of an adapter forwards its methods."""
        return cast(ClipBackbone, self.backbone)

    def on_fit_start(self) -> None:
        """Compute the prototypes of the low anchor from all training shots."""
        self._frozen = {}
        data = getattr(self.trainer, "datamodule", None)
        if data is None or self.low == "classname" or self.low_weight == 0:
            return
        image, label, classes = _all_shots(data)
        self.compute_prototypes(image, label, len(classes))

    def before_export(self, trainer: L.Trainer) -> None:
        """Store the anchors of the classes in the adapter."""
        data = getattr(trainer, "datamodule", None)
        if data is not None and keeps_anchors(self.backbone):
            image, label, classes = _all_shots(data)
            keep_anchors(self.backbone, classes, self.kept_anchors(image, label, classes))

    @torch.no_grad()
    def kept_anchors(self, image: Tensor, label: Tensor, classes: Sequence[str]) -> Tensor:
        """Return the anchors that an adapter keeps: the mean of both, from the trained towers.

        The high anchor is the mean of all sentences of a class in training. The low anchor is the
        mean of its images, or its bare name if `low` is `classname`. A class without images has the
        high anchor alone.

        Args:
            image: (image, 3, size, size) float32, 0 to 1.
            label: (image,) int64.
            classes: class names.

        Returns:
            (class, feature) of unit length.
        """
        with evaluating(self.backbone):
            high = mean_text(self.towers, self._every_sentence(classes))
            if self.low == "classname":
                low = mean_text(self.towers, [[name] for name in classes])
            else:
                parts = torch.split(image, BATCH)
                features = [self.towers.image_features(part.to(self.device)) for part in parts]
                low, _ = prototypes(torch.cat(features), label.to(self.device), len(classes))
        return F.normalize(high + low, dim=-1)

    def compute_prototypes(self, image: Tensor, label: Tensor, classes: int) -> None:
        """Compute and store the prototypes of the low anchor.

        Args:
            image: (image, 3, size, size) float32, 0 to 1.
            label: (image,) int64.
            classes: number of classes.
        """
        parts = [self.frozen_features(part.to(self.device)) for part in torch.split(image, BATCH)]
        self._shots = prototypes(torch.cat(parts), label.to(self.device), classes)

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the cross-entropy; in training, also the anchor losses and their weighted sum."""
        image, text = self.features(batch)
        logits = self.towers.logits(image, text)
        loss = F.cross_entropy(logits, batch["label"])
        if not self.training or not (self.expert_weight or self.low_weight):
            return {"loss": loss}
        high, low = self.anchors(batch, image, text, logits)
        total = loss + self.expert_weight * high + self.low_weight * low
        return {"loss": total, "classes": loss, "expert": high, "low": low}

    def metrics(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the accuracy of a batch."""
        right = self.predict(batch).argmax(-1) == batch["label"]
        return {"accuracy": right.float().mean()}

    def draw(self, batch: dict[str, Any]) -> dict[str, Figure]:
        """Draw the reliability of a batch's predictions, and the attention of the text context."""
        from scionwood_biomed.evaluation.figures import of_batch

        return of_batch(self, batch)

    @torch.no_grad()
    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return a classifier for the classes of the run; without a run, both towers."""
        if folder is None:
            return two_towers(self.backbone)
        classes: list[str] = resolve(folder / "recipe.yaml").data.build().names()
        text = apply_anchors(self.backbone, classes, self._text_features(self._sentences(classes)))
        return classifier(self.backbone, text, classes)

    def predict(self, batch: dict[str, Any]) -> Tensor:
        """Return the class probabilities, (batch, class)."""
        image, text = self.features(batch)
        text = apply_anchors(self.backbone, batch["classes"], text)
        probabilities: Tensor = self.towers.logits(image, text).softmax(-1)
        return probabilities

    def features(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Return image features (batch, feature) and text features (class, feature), normalised."""
        texts = batch.get("texts") or self._sentences(batch["classes"])
        return self.towers.image_features(batch["image"]), self._text_features(texts)

    def pairs(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Return features of images and of their classes in the template, (batch, feature)."""
        texts = batch.get("texts") or prompts(self.template, batch["classes"])
        text = self._text_features(texts)[batch["label"]]
        return self.towers.image_features(batch["image"]), text

    def anchors(
        self, batch: dict[str, Any], image: Tensor, text: Tensor, logits: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the losses of the high and the low anchor, two scalars.

        Args:
            batch: `label` and `classes`, and `image` if prototypes are computed from the batch.
            image: (batch, feature), of unit length.
            text: (class, feature), of unit length.
            logits: (batch, class).
        """
        label, all_known = batch["label"], torch.ones(len(text), device=text.device)
        weight = confidence(logits) if self.adaptive else torch.ones_like(logits[:, 0])
        expert, plain = self._frozen_texts(tuple(batch["classes"]))
        high = pull(text, expert, label, weight, all_known)
        lows = []
        if self.low != "prototype":
            lows.append(pull(text, plain, label, weight, all_known))
        if self.low != "classname":
            means, has_anchor = self._prototypes(batch, image)
            lows.append(pull(text, means, label, weight, has_anchor))
        return high, torch.stack(lows).mean()

    @torch.no_grad()
    def frozen_features(self, image: Tensor) -> Tensor:
        """Return the image features (batch, feature) without the adapter."""
        with without_adapter(self.backbone):
            return self.towers.image_features(image)

    def _frozen_texts(self, classes: tuple[str, ...]) -> tuple[Tensor, Tensor]:
        """Return the (class, feature) anchors of expert prompts and bare names, no adapter."""
        if classes not in self._texts:
            with without_adapter(self.backbone):
                expert = mean_text(self.towers, prompts_of(classes, self.experts))
                plain = mean_text(self.towers, [[name] for name in classes])
            self._texts = {classes: (expert, plain)}
        expert, plain = self._texts[classes]
        return expert.to(self.device), plain.to(self.device)

    def _text_features(self, texts: Sequence[str]) -> Tensor:
        """Return (text, feature); in training a frozen text tower computes each text once."""
        if not self.training or trains_text(self.backbone):
            return self.towers.text_features(self.towers.tokenize(texts))
        if new := [text for text in dict.fromkeys(texts) if text not in self._frozen]:
            with torch.no_grad(), evaluating(self.backbone):
                features = self.towers.text_features(self.towers.tokenize(new))
            self._frozen |= dict(zip(new, features, strict=True))
        return torch.stack([self._frozen[text] for text in texts])

    def _sentences(self, classes: Sequence[str]) -> list[str]:
        """Return the sentence of each class for one step."""
        plain = prompts(self.template, classes)
        if not (self.training and self.varied):
            return plain
        sentences = self._every_sentence(classes)
        return [variants[int(torch.randint(len(variants), ()))] for variants in sentences]

    def _every_sentence(self, classes: Sequence[str]) -> list[list[str]]:
        """Return the template's sentence and the expert prompts of each class."""
        plain, experts = prompts(self.template, classes), prompts_of(classes, self.experts)
        return [[one, *more] for one, more in zip(plain, experts, strict=True)]

    def _prototypes(self, batch: dict[str, Any], image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the prototypes of all shots; of the batch if none are stored or they change."""
        trains = self._trains_projection
        if self._shots is not None and not trains:
            return self._shots
        features = image.detach() if trains else self.frozen_features(batch["image"])
        return prototypes(features, batch["label"], len(batch["classes"]))

    @property
    def _trains_projection(self) -> bool:
        """Whether the space of image features changes, so that stored prototypes are stale."""
        return bool(self.towers.head)


def _all_shots(data: Any) -> tuple[Tensor, Tensor, list[str]]:
    """Return images, labels and class names of the training split."""
    batches = list(data.train_dataloader())
    image, label = (torch.cat([batch[key] for batch in batches]) for key in ("image", "label"))
    return image, label, list(batches[0]["classes"])


def prompts(template: str, classes: Sequence[str]) -> list[str]:
    """Return one prompt per class: the template's words and the class name."""
    return [f"{template} {name}".strip() for name in classes]
