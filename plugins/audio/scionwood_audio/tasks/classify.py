"""The task: name the class of a recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Unpack, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, RecipeError
from scionwood_audio.data.made import NAMES
from scionwood_audio.model.heads import fit_clip_head, pooled
from scionwood_audio.tasks.head_first import HeadFirst


@final
class Classify(HeadFirst):
    """Fit a head on frozen features when the run starts, then train adapter and head from there.

    The logits of a recording are the mean over its true positions. What the fitted head reaches is
    the first row of `metrics.csv`, which the run has to beat. Which layer is best to read depends
    on the sounds: measure it with `scionwood audio layers`.

    Shapes: see `audio/recordings`.

    Units: accuracy from 0 to 1.

    Raises:
        RecipeError: the backbone has not an output for each class, a label names no class, or a
            class has no recording in the training split.

    Source: this project's.

    Args:
        backbone: `audio/whisper` with an output for each class.
        classes: their names, in the order of the outputs.
        optimiser: the options of the optimiser; see `Task`.
    """

    defaults: ClassVar[Optimiser] = {"lr": 3e-4, "weight_decay": 0.01}

    def __init__(
        self,
        backbone: nn.Module,
        *,
        classes: Sequence[str] = NAMES,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        outputs = getattr(backbone.classifier, "out_features", 0)
        if len(classes) != outputs or len(set(classes)) != outputs:
            rule = f"the backbone has {outputs} outputs, one for each class"
            raise RecipeError(f"classes {list(classes)}", rule, "Set backbone.outputs, or correct")
        self.classes = list(classes)

    @torch.no_grad()
    def fit_to(self, batches: Iterable[dict[str, Any]]) -> None:
        """Fit the head to some batches."""
        training, features, labels = self.training, [], []
        self.eval()
        for batch in batches:
            states = self.backbone.hidden(batch["samples"].to(self.device))[-1]
            features.append(pooled(states, batch["length"].to(self.device)))
            labels.append(self._labels(batch))
        self.train(training)
        label = torch.cat(labels)
        if missing := [name for k, name in enumerate(self.classes) if k not in label]:
            rule = "no recording of the training split has it"
            raise RecipeError(f"class {missing[0]!r}", rule, "Add recordings, or take it out")
        weight, bias = fit_clip_head(torch.cat(features), label)
        self.backbone.classifier.load_state_dict({"weight": weight, "bias": bias})

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the cross entropy, in nats."""
        return {"loss": F.cross_entropy(self.logits(batch), self._labels(batch))}

    def metrics(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the share of recordings whose class is right."""
        right = self.logits(batch).argmax(1) == self._labels(batch)
        return {"accuracy": right.float().mean()}

    def logits(self, batch: dict[str, Any]) -> Tensor:
        """Return the logits of each recording, (batch, class)."""
        return pooled(self.backbone(batch["samples"]), batch["length"])

    def _labels(self, batch: dict[str, Any]) -> Tensor:
        if unknown := sorted(set(batch["label"]) - set(self.classes)):
            rule = f"the task names {', '.join(self.classes)}"
            raise RecipeError(f"class {unknown[0]!r}", rule, "Set task.classes to your classes")
        places = [self.classes.index(name) for name in batch["label"]]
        return torch.tensor(places, device=self.device)
