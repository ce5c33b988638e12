"""The task: name the event of each second, if it is both heard and seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Unpack, cast, final

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, RecipeError, Task, TrainingError
from scionwood_audio.adapters.text_bridge import (
    Gate,
    bridges,
    centre,
    gate_spread,
    information,
    watched,
)
from scionwood_audio.model.audio_visual import AudioVisual

CONSTANT = 0.01
"""Standard deviation of the gates over seconds at or below which a bridge is collapsed."""

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
        background_weight: weight of a second of background in the loss.
        variety: weight of the information that a second has about the row of text it asks for,
            H(mean a) - mean H(a) in nats, which is added to what training seeks. Entropy alone
            would make all seconds ask alike.
        constant_gate: what happens to a run whose gate is constant.
        optimiser: the options of the optimiser; see `Task`.
    """

    defaults: ClassVar[Optimiser] = {"lr": 1e-3, "weight_decay": 0.05}

    def __init__(
        self,
        backbone: nn.Module,
        *,
        text: Literal["names", "clip"] = "names",
        background_weight: float = 0.4,
        variety: float = 0.0,
        constant_gate: Literal["refuse", "allow"] = "refuse",
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.text, self.variety, self.constant_gate = text, variety, constant_gate
        self.background_weight = background_weight

    @property
    def towers(self) -> AudioVisual:
        """The backbone; the wrapper of an adapter forwards its methods."""
        return cast(AudioVisual, self.backbone)

    def on_fit_start(self) -> None:
        """Centre the bridges on the training clips."""
        data = getattr(self.trainer, "datamodule", None)
        if data is not None and bridges(self.backbone):
            self.centre_on(data.train_dataloader())

    @torch.no_grad()
    def centre_on(self, batches: Iterable[dict[str, Any]]) -> None:
        """Set mean and spread of the bridges from the first clips of some batches."""
        heard, sights, count = [], [], 0
        for batch in batches:
            states = self.towers.stem(*self._inputs(batch))
            heard.append(states[0])
            sights.append(states[1])
            count += len(states[0])
            if count >= CENTRED_ON:
                break
        centre(self.backbone, torch.cat(heard), torch.cat(sights))

    def logits(self, batch: dict[str, Any]) -> Tensor:
        """Return the logits (batch, second, event + 1)."""
        rows = None
        if self.text == "clip":
            rows = self.towers.embed(batch["text"])[:, None]
        logits: Tensor = self.backbone(*self._inputs(batch), rows)
        return logits

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the cross entropy in nats, background weighted, less what `variety` asks for."""
        with watched(self.backbone) as gates:
            logits = self.logits(batch)
        loss = self._fit(logits, self._labels(batch))
        if self.variety and gates:
            loss = loss - self.variety * torch.stack([information(g) for g in gates]).mean()
        return {"loss": loss}

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Log the loss, and the accuracies of events and of background, each over its seconds."""
        self._report("val_", batch)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Log the same of the test split."""
        self._report("test_", batch)

    def before_export(self, trainer: L.Trainer) -> None:
        """Refuse a bridge that no second opens or closes.

        Raises:
            TrainingError: a gate is constant.
        """
        data = getattr(trainer, "datamodule", None)
        if data is None or self.constant_gate == "allow":
            return
        spread = gate_spread(self.gates(data.val_dataloader()))
        closed = [side for side, value in spread.items() if value <= CONSTANT]
        if closed:
            value = ", ".join(f"{side} {spread[side]:.4f}" for side in closed)
            rule = f"its standard deviation over seconds must be above {CONSTANT:g}: it collapsed"
            remedy = (
                "Set adapter.temperature to 0.1 and adapter.centred to true, train longer or at a "
                "higher rate, or set task.variety to 0.1; task.constant_gate allow keeps the run"
            )
            raise TrainingError(f"gate of the text bridge ({value})", rule, remedy)

    @torch.no_grad()
    def gates(self, batches: Iterable[dict[str, Any]]) -> list[Gate]:
        """Return what the gates do in some batches."""
        training = self.training
        self.eval()
        with watched(self.backbone) as gates:
            for batch in batches:
                self.logits(batch)
        self.train(training)
        return gates

    def _inputs(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        return batch["samples"].to(self.device), batch["pictures"].to(self.device)

    def _fit(self, logits: Tensor, label: Tensor) -> Tensor:
        weight = torch.ones(logits.shape[-1], device=logits.device)
        weight[-1] = self.background_weight
        return F.cross_entropy(logits.flatten(0, 1).float(), label.flatten(), weight=weight)

    def _labels(self, batch: dict[str, Any]) -> Tensor:
        names, classes = self.towers.names, batch["classes"]
        if unknown := sorted(set(classes) - set(names)):
            rule = f"the backbone names {', '.join(names)}"
            raise RecipeError(f"event {unknown[0]!r}", rule, "Set backbone.names to your events")
        places = torch.tensor([*(names.index(name) for name in classes), len(names)])
        return places.to(self.device)[batch["label"].to(self.device)]

    def _report(self, prefix: str, batch: dict[str, Any]) -> None:
        logits, label = self.logits(batch), self._labels(batch)
        right, event = logits.argmax(-1) == label, label < logits.shape[-1] - 1
        # Each is a mean over its own seconds, so that batches with few events count less.
        sizes = {"loss": len(label), "event_accuracy": int(event.sum())}
        sizes["background_accuracy"] = int((~event).sum())
        values = {"loss": self._fit(logits, label)}
        values["event_accuracy"] = right[event].float().mean()
        values["background_accuracy"] = right[~event].float().mean()
        for name, value in values.items():
            if sizes[name]:
                self.log(prefix + name, value, batch_size=sizes[name], on_epoch=True)
