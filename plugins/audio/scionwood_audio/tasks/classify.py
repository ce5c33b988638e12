"""The task: name the class of a recording."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Unpack, cast, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, RecipeError, Task
from scionwood_audio.model.clip_classifier import ClipClassifier


@final
class Classify(Task):
    """Fit a head on frozen features when the run starts, then train adapter and head from there.

    An adapter with a cold head learns the head's mistakes. The losses of the fitted head are the
    first row of `metrics.csv`: what the run has to beat.

    Shapes: see `audio/recordings`.

    Units: accuracy from 0 to 1.

    Raises:
        RecipeError: a label names no class, or a class has no recording in the training split.

    Source: this project's.

    Args:
        backbone: `audio/clip_classifier`, with its adapter attached.
        optimiser: the options of the optimiser; see `Task`.
    """

    defaults: ClassVar[Optimiser] = {"lr": 3e-4, "weight_decay": 0.01}

    def __init__(self, backbone: nn.Module, **optimiser: Unpack[Optimiser]) -> None:
        super().__init__(backbone, **optimiser)

    @property
    def network(self) -> ClipClassifier:
        """The backbone; the wrapper of an adapter forwards its methods."""
        return cast(ClipClassifier, self.backbone)

    def on_fit_start(self) -> None:
        """Fit the head, unless the run continues an earlier one."""
        data = getattr(self.trainer, "datamodule", None)
        if data is not None and not bool(self.network.answer.fitted):
            self.fit_to(data.train_dataloader())

    def on_train_start(self) -> None:
        """Validate the fitted head before the first step."""
        if self.trainer.global_step == 0:
            self.trainer.fit_loop.epoch_loop.val_loop.run()

    def fit_to(self, batches: Iterable[dict[str, Any]]) -> None:
        """Fit the head to some batches.

        Raises:
            RecipeError: a class has no recording.
        """
        features, label = self._gathered(batches)
        names = self.network.classes
        if missing := sorted(set(range(len(names))) - set(label.tolist())):
            rule = "no recording of the training split has it"
            remedy = "Add recordings, or take it out of backbone.classes"
            raise RecipeError(f"class {names[missing[0]]!r}", rule, remedy)
        self.network.answer.fit(features, label)

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the cross entropy, in nats."""
        return {"loss": F.cross_entropy(self._logits(batch), self._labels(batch))}

    def metrics(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the share of recordings whose class is right."""
        right = self._logits(batch).argmax(1) == self._labels(batch)
        return {"accuracy": right.float().mean()}

    def _logits(self, batch: dict[str, Any]) -> Tensor:
        logits: Tensor = self.backbone(batch["samples"], batch["length"])
        return logits

    def _labels(self, batch: dict[str, Any]) -> Tensor:
        names, classes = self.network.classes, batch["classes"]
        if unknown := sorted(set(classes) - set(names)):
            rule = f"the backbone names {', '.join(names)}"
            raise RecipeError(f"class {unknown[0]!r}", rule, "Set backbone.classes to your classes")
        places = torch.tensor([names.index(name) for name in classes], device=self.device)
        return places[batch["label"].to(self.device)]

    @torch.no_grad()
    def _gathered(self, batches: Iterable[dict[str, Any]]) -> tuple[Tensor, Tensor]:
        training, features, labels = self.training, [], []
        self.eval()
        for batch in batches:
            inputs = (batch[name].to(self.device) for name in ("samples", "length"))
            features.append(self.network.features(*inputs))
            labels.append(self._labels(batch))
        self.train(training)
        return torch.cat(features), torch.cat(labels)
