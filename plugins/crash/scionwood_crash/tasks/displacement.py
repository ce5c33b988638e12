"""What is learned: the displacement of every node over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast, final

import torch.nn.functional as F
from torch import Tensor, nn

from scionwood import Task
from scionwood_crash.evaluation.metrics import distance_loss, intrusion_loss, measure
from scionwood_crash.model import CrashGraph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Schedule = Literal["constant", "cosine"]


@final
class Displacement(Task):
    """Predict how a part deforms; the loss is what is reported: MED over the maximum intrusion.

    The error of the intrusion over time is added with a weight, and that of the plastic strain
    where it is predicted. Every part counts the same, however many nodes it has and however far
    they move.

    Shapes: a batch holds `graph`, a `CrashGraph`, and `displacement` (N, T, 3); with a backbone
        that predicts plastic strain also `plastic_strain` (C, T); float32.

    Units: displacement in 100 mm, in the axes of each part; the metrics in mm and percent.

    Source: mean Euclidean distance and maximum intrusion error are the measures of
        arXiv:2605.15231; the loss is this project's.

    Args:
        backbone: a network of this plugin, its adapter attached.
        intrusion_weight: of the error of the intrusion over the largest one, mean over time.
        strain_weight: of the squared error of the plastic strain.
        lr: learning rate.
        weight_decay: decoupled weight decay.
        warmup_steps: steps over which the rate rises from zero.
        schedule: a constant rate, or half a cosine down to zero.
    """

    def __init__(
        self,
        backbone: nn.Module,
        *,
        intrusion_weight: float = 1.0,
        strain_weight: float = 1.0,
        lr: float = 3e-3,
        weight_decay: float = 5e-2,
        warmup_steps: int = 20,
        schedule: Schedule = "cosine",
    ) -> None:
        super().__init__(
            backbone, lr=lr, weight_decay=weight_decay, warmup_steps=warmup_steps, schedule=schedule
        )
        self.intrusion_weight, self.strain_weight = intrusion_weight, strain_weight

    def on_train_start(self) -> None:
        """Measure the training parts, against which others count as new; once a run."""
        if self.trainer.global_step:
            return
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        batches = [batch["graph"] for batch in data.train_dataloader()]
        graphs = [CrashGraph(*(each.to(self.device) for each in graph)) for graph in batches]
        cast(Any, self.backbone).novelty.fit(graphs)

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """The loss and its parts, means over the parts of the batch."""
        moved, strain = self.predict(batch)
        graph, true = batch["graph"], batch["displacement"]
        wrong = distance_loss(moved, true, graph).mean()
        depth = intrusion_loss(moved, true, graph).mean()
        found = {
            "loss": wrong + self.intrusion_weight * depth,
            "displacement": wrong,
            "intrusion": depth,
        }
        if strain is not None:
            found["strain"] = F.mse_loss(strain, batch["plastic_strain"])
            found["loss"] = found["loss"] + self.strain_weight * found["strain"]
        return found

    def metrics(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Means over the parts of a batch of what `metrics.measure` gives."""
        moved, _ = self.predict(batch)
        found = measure(moved, batch["displacement"], batch["graph"])
        return {name: values.mean() for name, values in found.items()}

    def draw(self, batch: dict[str, Any]) -> dict[str, Figure]:
        """The first part of a batch: true and predicted shape, and the intrusion over time."""
        from scionwood_crash.evaluation.figures import of_batch

        moved, _ = self.predict(batch)
        return of_batch(moved, batch["displacement"], batch["graph"])

    def predict(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
        """Displacements (N, T, 3), and plastic strain (C, T) or None."""
        found = self.backbone(*batch["graph"])
        return found if isinstance(found, tuple) else (found, None)

    def batch_size(self, batch: dict[str, Any]) -> int:
        """The number of parts."""
        return len(batch["graph"].condition)
