"""The task of finding calls: the log-odds of a call at each position."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Unpack, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scionwood import Optimiser, TrainingError
from scionwood_audio.evaluation.trials import average_precision
from scionwood_audio.model.heads import fit_head, set_head
from scionwood_audio.tasks.head_first import HeadFirst


@final
class Find(HeadFirst):
    """Cross-entropy of a call at each position; the head is fitted to frozen features first.

    The run starts from a logistic regression on the features of the frozen network, which is the
    first row of the metrics, and then trains the adapter and the head together.

    Shapes: a batch holds `samples` (window, sample) float32 and `target` (window, position)
        float32: 1 is a call, 0 is none, -1 is unknown and has no part in the loss.

    Units: samples from -1 to 1 at 16 kHz; a position is 20 ms; average precision from 0 to 1, of
        all positions of a split together, and NaN for a split without a call.

    Source: the few-shot task of DCASE, arXiv:2305.13210.

    Args:
        backbone: `audio/whisper` with one output.
        optimiser: the options of the optimiser; see `Task`.
    """

    defaults: ClassVar[Optimiser] = {"lr": 1e-3, "weight_decay": 0.01}
    monitor: ClassVar[str] = "val_ap"
    mode: ClassVar[Literal["min", "max"]] = "max"

    def __init__(self, backbone: nn.Module, **optimiser: Unpack[Optimiser]) -> None:
        super().__init__(backbone, **optimiser)
        self._positions: list[tuple[Tensor, Tensor]] = []

    def losses(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the cross-entropy of the positions that are known, in nats."""
        logits, target = self._known(batch)
        return {"loss": F.binary_cross_entropy_with_logits(logits, target)}

    def counts(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """Return the known positions, over which the loss is a mean."""
        return {"loss": int((batch["target"] >= 0).sum())}

    def metrics(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Store the known positions of a batch: the average precision is that of a whole split."""
        self._positions.append(self._known(batch))
        return {}

    def _known(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits and target of the positions of which something is known."""
        is_known = batch["target"] >= 0
        logits: Tensor = self.backbone(batch["samples"]).squeeze(-1)
        return logits[is_known].float(), batch["target"][is_known]

    def on_validation_epoch_end(self) -> None:
        """Log the average precision of the validation split as `val_ap`."""
        self._log_precision("val_ap")

    def on_test_epoch_end(self) -> None:
        """Log the average precision of the test split as `test_ap`."""
        self._log_precision("test_ap")

    def _log_precision(self, name: str) -> None:
        scores, target = map(torch.cat, zip(*self._positions, strict=True))
        self._positions.clear()
        self.log(name, average_precision(scores, target), sync_dist=self.trainer.world_size > 1)

    @torch.no_grad()
    def fit_to(self, batches: Any) -> None:
        """Fit the head to every second known position: neighbours are almost equal."""
        network: Any = self.backbone
        training = network.training
        network.eval()
        features, targets = [], []
        for batch in batches:
            hidden = network.hidden(batch["samples"].to(self.device))[-1].flatten(0, 1)
            target = batch["target"].flatten()
            is_known = (target >= 0).nonzero().squeeze(1)[::2]
            features.append(hidden.cpu()[is_known])
            targets.append(target[is_known])
        target = torch.cat(targets).numpy()
        if not 0 < target.mean() < 1:
            rule = "the training split needs positions with a call and positions without"
            raise TrainingError("audio/find", rule, "Add examples, or backgrounds without the call")
        set_head(network, *fit_head(torch.cat(features).numpy(), target))
        network.train(training)
