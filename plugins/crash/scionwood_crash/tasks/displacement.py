"""The task of the plugin: predict the displacement of every node over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast, final

import torch.nn.functional as F
from torch import Tensor, nn

from scionwood import Deployed, Optimiser, Task
from scionwood_crash.evaluation.metrics import distance_loss, intrusion_loss, measure
from scionwood_crash.model import CrashGraph
from scionwood_crash.tasks.deployed import deployed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@final
class Displacement(Task):
    """Predict how a part deforms.

    The loss is what is reported: the mean Euclidean distance (MED) over the maximum intrusion, plus
    the weighted error of the intrusion over time. If the network predicts plastic strain, its
    squared error is added. Every part has the same weight, whatever its number of nodes and the
    size of its displacements.

    Shapes: a batch holds `graph`, a `CrashGraph`, and `displacement` (N, T, 3). For a backbone that
        predicts plastic strain it also holds `plastic_strain` (C, T). All are float32.

    Units: displacement in 100 mm, in the axes of each part; the metrics in mm and percent.

    Source: mean Euclidean distance and maximum intrusion error are the measures of
        arXiv:2605.15231; the loss is this project's.

    Args:
        backbone: a network of this plugin with its adapter attached.
        intrusion_weight: weight of the mean error of the intrusion over time, relative to the
            maximum intrusion.
        strain_weight: weight of the squared error of the plastic strain.
    """

    defaults: ClassVar[Optimiser] = {
        "lr": 3e-3,
        "weight_decay": 5e-2,
        "warmup_steps": 20,
        "schedule": "cosine",
    }

    def __init__(
        self,
        backbone: nn.Module,
        *,
        intrusion_weight: float = 1.0,
        strain_weight: float = 1.0,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.intrusion_weight, self.strain_weight = intrusion_weight, strain_weight

    def on_train_start(self) -> None:
        """Fit the novelty of the network to the training parts, once in a run."""
        if self.trainer.global_step:
            return
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        batches = [batch["graph"] for batch in data.train_dataloader()]
        graphs = [CrashGraph(*(each.to(self.device) for each in graph)) for graph in batches]
        cast(Any, self.backbone).novelty.fit(graphs)

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the loss and its terms, means over the parts of the batch."""
        moved, strain = self.predict(batch)
        graph, reference = batch["graph"], batch["displacement"]
        distance = distance_loss(moved, reference, graph).mean()
        depth = intrusion_loss(moved, reference, graph).mean()
        terms = {
            "loss": distance + self.intrusion_weight * depth,
            "displacement": distance,
            "intrusion": depth,
        }
        if strain is not None:
            terms["strain"] = F.mse_loss(strain, batch["plastic_strain"])
            terms["loss"] = terms["loss"] + self.strain_weight * terms["strain"]
        return terms

    def metrics(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the measures of `metrics.measure`, means over the parts of the batch."""
        moved, _ = self.predict(batch)
        errors = measure(moved, batch["displacement"], batch["graph"])
        return {name: values.mean() for name, values in errors.items()}

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the network for the graph of one part, of any number of nodes."""
        return deployed(self.backbone)

    def draw(self, batch: dict[str, Any]) -> dict[str, Figure]:
        """Draw the first part of a batch: both shapes, and intrusion and error over time."""
        from scionwood_crash.evaluation.figures import of_batch

        moved, _ = self.predict(batch)
        return of_batch(moved, batch["displacement"], batch["graph"])

    def predict(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor | None]:
        """Return displacements (N, T, 3), and plastic strain (C, T) or `None`."""
        output = self.backbone(*batch["graph"])
        return output if isinstance(output, tuple) else (output, None)

    def batch_size(self, batch: dict[str, Any]) -> int:
        """Return the number of parts in a batch."""
        return len(batch["graph"].condition)
