"""Tasks whose head is fitted when the run starts; the steps of the run may change nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, RecipeError, Task, TrainingError
from scionwood.authoring import Deployed, Normalisation, Signal
from scionwood_biomed.tasks.deployed import BRIGHTNESS
from scionwood_biomed.tasks.findings import masked_cross_entropy

SHARPNESS = torch.logspace(-1, 1, 81)
"""The sharpnesses of the probabilities that are tried on the validation split."""


class FittedTask(Task):
    """A classifier whose head is fitted to the training split when the run starts.

    The head is `network.answer`. The sharpness of its probabilities is chosen by the log-loss on
    the validation split; with two classes a threshold is chosen there too.
    """

    defaults: ClassVar[Optimiser] = {"lr": 0.0}

    @property
    def network(self) -> Any:
        """The backbone; the wrapper of an adapter forwards its methods."""
        return self.backbone

    @property
    def classes(self) -> list[str]:
        """The names of the classes or findings."""
        return list(self.network.classes)

    def on_fit_start(self) -> None:
        """Fit the head, unless the run continues an earlier one."""
        data = getattr(self.trainer, "datamodule", None)
        if data is None:
            rule = "it fits to the training split of a data module"
            raise TrainingError(type(self).__name__, rule, "Give `datamodule` to the trainer")
        if not self.network.answer.fitted:
            self.fit_to(data.train_dataloader(), data.val_dataloader())

    @abstractmethod
    def gather(self, image: Tensor) -> list[Tensor]:
        """Return what the head sees of a batch of images, one or more tensors."""

    @abstractmethod
    def fit_head(self, features: list[Tensor], label: Tensor) -> None:
        """Fit the head to what it sees of the training split."""

    @abstractmethod
    def answer_to(self, features: list[Tensor]) -> Tensor:
        """Return the logits (image, class) of what the head sees."""

    def fit_to(self, train: Iterable[dict[str, Any]], val: Iterable[dict[str, Any]]) -> None:
        """Fit the head to one set of batches, and its sharpness to another.

        Args:
            train: batches of the training split.
            val: batches of the validation split; without an image the sharpness stays 1.

        Raises:
            RecipeError: a label names no class, or a class has no training image.
        """
        training = self.backbone.training
        self.backbone.eval()
        features, label = self._gathered(train)
        if not len(label):
            rule = "the training split has no image"
            raise RecipeError(type(self).__name__, rule, "Check the table and its splits")
        self._check_every_class(label)
        self.fit_head(features, label)
        self.backbone.eval()
        features, label = self._gathered(val)
        if len(label):
            self._calibrate(features, label)
        self.backbone.train(training)

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the cross-entropy; of findings that of the known ones."""
        logits, label = self.network(batch["image"]), self.labels(batch)
        if self.network.answer.exclusive:
            return {"loss": F.cross_entropy(logits, label)}
        return {"loss": masked_cross_entropy(logits, label)}

    def metrics(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the accuracy; of findings that of the known ones at a probability of 0.5."""
        logits, label = self.network(batch["image"]), self.labels(batch)
        if self.network.answer.exclusive:
            return {"accuracy": (logits.argmax(-1) == label).float().mean()}
        is_known = ~label.isnan()
        right = ((logits > 0) == (label > 0.5)) & is_known
        return {"accuracy": right.sum() / is_known.sum().clamp_min(1)}

    def predict(self, batch: dict[str, Any]) -> Tensor:
        """Return probabilities (batch, class), in the order of `classes` of the batch if given.

        Raises:
            RecipeError: a name is not one of the classes.
        """
        answer: Tensor = self.network.answer.probabilities(self.network(batch["image"]))
        class_names = batch.get("classes")
        return answer if class_names is None else answer[:, self._places(class_names)]

    def labels(self, batch: dict[str, Any]) -> Tensor:
        """Return the labels of a batch in the order of the network's classes.

        Raises:
            RecipeError: a label names no class.
        """
        names, label = batch.get("classes"), batch["label"]
        if names is None or list(names) == list(self.classes):
            return cast(Tensor, label)
        places = torch.tensor(self._places(names), device=label.device)
        if self.network.answer.exclusive:
            return places[label]
        if sorted(names) != sorted(self.classes):
            rule = f"the data has {', '.join(names)}"
            raise RecipeError(f"findings {self.classes}", rule, "Name the same in both")
        ordered = torch.empty_like(label)
        ordered[:, places] = label
        return ordered

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the classifier for export: images to probabilities."""
        example = tuple(self.network.example_input())
        depth = ("slice",) if example[0].ndim == 5 else ()
        axes = ("batch", *depth, "channel", "row", "column")
        return Deployed(
            _Answering(self.backbone),
            example,
            inputs=(Signal("image", axes, BRIGHTNESS),),
            outputs=(Signal("probabilities", ("batch", "class"), "probability"),),
            dynamic=("batch",),
            normalisation=Normalisation(
                before=("Cut or scale the picture to the size of the input, three channels.",),
                after=("The probabilities are in the order of the classes.",),
                numbers={"classes": self.classes},
            ),
        )

    def _places(self, names: Sequence[str]) -> list[int]:
        place_of_class = {name: at for at, name in enumerate(self.classes)}
        if unknown := sorted(set(names) - place_of_class.keys()):
            rule = f"no class has this name; the classes are {', '.join(self.classes)}"
            remedy = "Correct the label, or name the classes of your data in backbone.classes"
            raise RecipeError(f"label {unknown[0]!r}", rule, remedy)
        return [place_of_class[name] for name in names]

    def _check_every_class(self, label: Tensor) -> None:
        """Refuse a class, or an answer to a finding, that no training image has."""
        exclusive = self.network.answer.exclusive
        for at, name in enumerate(self.classes):
            has_positive = (label == at).any() if exclusive else (label[:, at] > 0.5).any()
            other = exclusive or (label[:, at] < 0.5).any()
            if not (has_positive and other):
                rule = (
                    "no training image has it"
                    if not has_positive
                    else "every training image has it"
                )
                remedy = "Add images, or take it out of backbone.classes"
                raise RecipeError(f"class {name!r}", rule, remedy)

    @torch.no_grad()
    def _gathered(self, batches: Iterable[dict[str, Any]]) -> tuple[list[Tensor], Tensor]:
        """Return what the head sees of all batches, and the labels."""
        parts, labels = [], []
        for batch in batches:
            parts.append(self.gather(batch["image"].to(self.device)))
            labels.append(self.labels(batch).to(self.device))
        features = [torch.cat(tensors) for tensors in zip(*parts, strict=True)]
        return features, torch.cat(labels) if labels else torch.empty(0)

    @torch.no_grad()
    def _calibrate(self, features: list[Tensor], label: Tensor) -> None:
        head, logits = self.network.answer, self.answer_to(features)
        loss = F.cross_entropy if head.exclusive else masked_cross_entropy
        values = torch.stack(
            [loss(sharpness * logits, label) for sharpness in SHARPNESS.to(logits)]
        )
        head.sharpness.fill_(float(SHARPNESS[int(values.argmin())]))
        if head.exclusive and len(self.classes) == 2 and len(torch.unique(label)) == 2:
            from scionwood_biomed.evaluation.scores import threshold

            probabilities = head.probabilities(self.answer_to(features)).cpu().numpy()
            head.threshold.fill_(threshold(probabilities, label.cpu().numpy()))


@final
class _Answering(nn.Module):
    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Tensor) -> Tensor:
        network: Any = self.backbone
        answer: Tensor = network.answer.probabilities(network(image))
        return answer
