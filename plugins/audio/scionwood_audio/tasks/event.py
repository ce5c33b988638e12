"""The task: name the event of each second, if it is both heard and seen."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Unpack, final

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, RecipeError, Task, TrainingError
from scionwood_audio.adapters.text_bridge import bridges, centre, gate_spread

CONSTANT = 0.01
"""Standard deviation of the gates over seconds at or below which a bridge is collapsed."""

BACKGROUND = 0.4
"""Weight of a second of background in the loss, as it is most of them."""

CENTRED_ON = 64
"""Training clips from which the bridges take mean and spread."""


@final
class Event(Task):
    """Fit the event of each second by cross entropy, and report events apart from background.

    Background is most of the seconds: the accuracy over all of them rises to its share by saying
    nothing. When the run starts, the bridges are centred on the training clips. At its end a bridge
    whose gate is the same in all seconds is refused, because it is no gate.

    Shapes: see `audio/scenes`.

    Units: accuracies from 0 to 1.

    Raises:
        RecipeError: the data has an event that the backbone does not name.
        TrainingError: at the end of a run, a gate is constant.

    Source: the protocol of AVE, Y. Tian et al. 2018 (doi:10.1007/978-3-030-01216-8_16).

    Args:
        backbone: `audio/audio_visual`, with or without `audio/text_bridge`.
        text: what the bridges ask: the names of all events, or the one text of the clip.
        constant_gate: what happens to a run whose gate is constant.
        optimiser: the options of the optimiser; see `Task`.
    """

    backbone: Any
    defaults: ClassVar[Optimiser] = {"lr": 1e-3, "weight_decay": 0.05}

    def __init__(
        self,
        backbone: nn.Module,
        *,
        text: Literal["names", "clip"] = "names",
        constant_gate: Literal["refuse", "allow"] = "refuse",
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.text, self.constant_gate = text, constant_gate

    @torch.no_grad()
    def on_fit_start(self) -> None:
        """Centre the bridges on training clips, unless the run continues an earlier one."""
        data = getattr(self.trainer, "datamodule", None)
        if data is None or self.trainer.ckpt_path is not None or not bridges(self.backbone):
            return
        sides, count = [], 0
        for batch in data.train_dataloader():
            sides.append(self.backbone.stem(*self._inputs(batch)))
            count += len(sides[-1][0])
            if count >= CENTRED_ON:
                break
        audio, vision = map(torch.cat, zip(*sides, strict=True))
        centre(self.backbone, audio, vision)

    def logits(self, batch: dict[str, Any]) -> Tensor:
        """Return the logits (batch, second, event + 1)."""
        rows = self.backbone.embed(batch["text"])[:, None] if self.text == "clip" else None
        logits: Tensor = self.backbone(*self._inputs(batch), rows)
        return logits

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the cross entropy in nats, background weighted."""
        return {"loss": self._loss(self.logits(batch), self._labels(batch))}

    def _loss(self, logits: Tensor, label: Tensor) -> Tensor:
        weight = torch.ones(logits.shape[-1], device=logits.device)
        weight[-1] = BACKGROUND
        return F.cross_entropy(logits.flatten(0, 1).float(), label.flatten(), weight=weight)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Log the loss, and the accuracies of events and of background, each over its seconds."""
        self._report("val_", batch)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Log the same of the test split."""
        self._report("test_", batch)

    def before_export(self, trainer: L.Trainer) -> None:
        """Refuse a bridge that no second opens or closes."""
        data = getattr(trainer, "datamodule", None)
        if data is None or self.constant_gate == "allow":
            return
        self.eval()
        batches = data.val_dataloader()
        spread = gate_spread(self.backbone, lambda: [self.logits(batch) for batch in batches])
        if closed := [side for side, value in spread.items() if value <= CONSTANT]:
            value = ", ".join(f"{side} {spread[side]:.4f}" for side in closed)
            rule = f"its standard deviation over seconds must be above {CONSTANT:g}: it collapsed"
            remedy = (
                "Set adapter.temperature to 0.1, train longer or at a higher rate; "
                "task.constant_gate allow keeps the run"
            )
            raise TrainingError(f"gate of the text bridge ({value})", rule, remedy)

    def _inputs(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        return batch["samples"].to(self.device), batch["pictures"].to(self.device)

    def _labels(self, batch: dict[str, Any]) -> Tensor:
        names = self.backbone.names
        if unknown := sorted(set(batch["text"]) - set(names)):
            rule = f"the backbone names {', '.join(names)}"
            raise RecipeError(f"event {unknown[0]!r}", rule, "Set backbone.names to your events")
        kind = torch.tensor([names.index(text) for text in batch["text"]], device=self.device)
        return torch.where(batch["event"].to(self.device), kind[:, None], len(names))

    def _report(self, prefix: str, batch: dict[str, Any]) -> None:
        logits, label = self.logits(batch), self._labels(batch)
        right, event = logits.argmax(-1) == label, label < len(self.backbone.names)
        # The loss is a mean over seconds by these weights.
        weight: Any = int(event.sum()) + BACKGROUND * int((~event).sum())
        self.log(prefix + "loss", self._loss(logits, label), batch_size=weight, on_epoch=True)
        # Each is a mean over its own seconds, so that batches with few events count less.
        for name, seconds in (("event", event), ("background", ~event)):
            if count := int(seconds.sum()):
                accuracy = right[seconds].float().mean()
                self.log(f"{prefix}{name}_accuracy", accuracy, batch_size=count, on_epoch=True)
