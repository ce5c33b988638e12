"""The task of the plugin: predict the displacement of every node over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast, final

from torch import Tensor, nn

from scionwood import Optimiser, Task
from scionwood.authoring import Deployed
from scionwood_crash.evaluation.edges import edge_measures, edge_vector_loss
from scionwood_crash.evaluation.energy import energy_loss, sheet_energy, strain_loss
from scionwood_crash.evaluation.fields import PARTS, Fields, calibrate
from scionwood_crash.evaluation.metrics import distance_loss, intrusion_loss, measure
from scionwood_crash.model import CrashGraph
from scionwood_crash.tasks.deployed import deployed

if TYPE_CHECKING:
    import lightning as L
    from matplotlib.figure import Figure


STRAIN = "plastic_strain"


@final
class Displacement(Task):
    """Predict how a part deforms.

    The loss is what is reported: the mean Euclidean distance (MED) over the maximum intrusion, plus
    the weighted errors of the intrusion over time and of the edge vectors over their lengths. If
    the network predicts plastic strain, its error and that of the energy that the sheet absorbs
    are added. Parts without plastic strain add nothing to these two. Every part has
    the same weight, whatever its number of nodes and the size of its displacements.

    At the end of a training the stiffness of the projection is calibrated on the training parts;
    see `scionwood_crash.evaluation.fields`. Only predictions of files are projected: the metrics
    measure the network alone.

    Shapes: a batch holds `graph`, a `CrashGraph`, and `displacement` (N, T, 3). For a backbone that
        predicts plastic strain it also holds `plastic_strain` (C, T). All are float32.

    Units: displacement in 100 mm, in the axes of each part; the metrics in mm and percent.

    Source: mean Euclidean distance and maximum intrusion error are the measures of
        arXiv:2605.15231; the loss is this project's.

    Args:
        backbone: a network of this plugin with its adapter attached.
        intrusion_weight: weight of the mean error of the intrusion over time, relative to the
            maximum intrusion.
        strain_weight: weight of the mean error of the plastic strain over its mean.
        edge_weight: weight of the mean error of edge vectors over their initial lengths.
        energy_weight: weight of the mean error of the absorbed energy over time, relative to the
            largest energy.
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
        strain_weight: float = 0.1,
        edge_weight: float = 1.0,
        energy_weight: float = 0.02,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.intrusion_weight, self.strain_weight = intrusion_weight, strain_weight
        self.edge_weight, self.energy_weight = edge_weight, energy_weight

    def on_train_start(self) -> None:
        """Fit the novelty of the network to the training parts, once in a run."""
        if self.trainer.global_step:
            return
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        if self.trainer.world_size > 1:  # the loader of each process has only its share
            graphs = [self._whole_part(part.graph) for part in data.encoded("train")]
        else:
            graphs = [self._whole_part(batch["graph"]) for batch in data.train_dataloader()]
        network = cast(Any, self.backbone)
        network.novelty.fit(graphs)
        if network.further is not None:
            network.further.check(data.conditions)
            network.further.fit(graphs)

    def _whole_part(self, graph: CrashGraph) -> CrashGraph:
        """Return what describes whole parts, on the device of the network, without the nodes."""
        whole_fields = ("condition", "coarse", "assembly")
        tensors = {
            name: value if name in whole_fields else value[:0]
            for name, value in graph._asdict().items()
        }
        return CrashGraph(
            **{name: value.to(self.device).clone() for name, value in tensors.items()}
        )

    def losses(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the loss and its terms, means over the parts of the batch."""
        moved, strain = self.predict(batch)
        graph, reference = batch["graph"], batch["displacement"]
        distance = distance_loss(moved, reference, graph).mean()
        depth = intrusion_loss(moved, reference, graph).mean()
        edges = edge_vector_loss(moved, reference, graph).mean()
        total = distance + self.intrusion_weight * depth + self.edge_weight * edges
        terms = {"loss": total, "displacement": distance, "intrusion": depth, "edges": edges}
        if strain is None:
            return terms
        if STRAIN not in batch:
            terms["loss"] = (
                total + 0 * strain.sum()
            )  # the decoder keeps its gradient, which is zero
            return terms
        terms["strain"] = strain_loss(strain, batch[STRAIN], graph).mean()
        terms["energy"] = energy_loss(strain, batch[STRAIN], graph).mean()
        terms["loss"] = (
            total + self.strain_weight * terms["strain"] + self.energy_weight * terms["energy"]
        )
        return terms

    def metrics(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the measures of `metrics.measure` and of edges, means over the parts of the batch.

        With plastic strain, `energy_error` is the error of the energy that the sheet absorbs by
        the last frame, percent.
        """
        moved, strain = self.predict(batch)
        graph, reference = batch["graph"], batch["displacement"]
        errors = measure(moved, reference, graph) | edge_measures(moved, reference, graph)
        if strain is not None and STRAIN in batch:
            predicted_energy, true_energy = (
                sheet_energy(plastic_strain, graph)[:, -1]
                for plastic_strain in (strain, batch[STRAIN])
            )
            errors["energy_error"] = (
                100 * (predicted_energy - true_energy).abs() / true_energy.clamp_min(1e-3)
            )
        return {name: values.mean() for name, values in errors.items()}

    def before_export(self, trainer: L.Trainer) -> None:
        """Calibrate the projection on the training parts, and write `fields.json`."""
        super().before_export(trainer)
        data = trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        parts = data.encoded("train")
        network = self.backbone.eval()

        def predict(graph: CrashGraph) -> Tensor:
            on_device = CrashGraph(*(tensor.to(self.device) for tensor in graph))
            moved, _ = self.predict({"graph": on_device})
            return moved.float().cpu()

        stiffness, ratio, projected = calibrate(predict, parts)
        plastic = bool(getattr(network, "plastic", False))
        has_strain = plastic and all(len(part.plastic_strain) for part in parts)
        count = min(len(parts), PARTS)
        if trainer.is_global_zero:
            Fields(stiffness, has_strain, count, ratio, projected).write(trainer.default_root_dir)

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
        """Return the number of parts or assemblies in a batch."""
        return int(batch["graph"].assembly_count)
