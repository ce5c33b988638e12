"""Train a potential on energies and forces."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Unpack, final

import torch
from torch import Tensor, nn

from scionwood import Optimiser, Task
from scionwood.authoring import Deployed, Normalisation, Signal
from scionwood_atoms.data.clusters import Labelled
from scionwood_atoms.data.files import Files
from scionwood_atoms.model.graph import Graph
from scionwood_atoms.model.potential import EnergyOf


@final
class PotentialTask(Task):
    """Squared errors of the energy of an atom and of the forces.

    Args:
        backbone: a potential, with its adapter attached.
        energy_weight: the weight of the squared error of the energy, (eV/atom)^-2.
        force_weight: the weight of the squared error of the forces, (eV/A)^-2.

    Shapes: a batch is a `Labelled` of b structures and n atoms.

    Units: losses have none; the metrics are meV/atom and meV/A.

    Source: the loss of SevenNet (Park et al. 2024, doi:10.1021/acs.jctc.4c00190) without stress.
    """

    defaults: ClassVar[Optimiser] = {"lr": 1e-2, "warmup_steps": 5, "schedule": "cosine"}
    needs_gradient: ClassVar[bool] = True

    def __init__(
        self,
        backbone: nn.Module,
        *,
        energy_weight: float = 1.0,
        force_weight: float = 10.0,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.energy_weight, self.force_weight = energy_weight, force_weight

    def on_fit_start(self) -> None:
        """Write the reference energies of the data into the run folder, if the data have them."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        if isinstance(data, Files) and self.trainer.is_global_zero:
            data.write(self.trainer.default_root_dir)

    def losses(self, batch: Labelled) -> dict[str, Tensor]:
        """Return the loss and its two parts.

        Args:
            batch: structures with labels.
        """
        energy, forces = self._errors(batch)
        parts = {"energy": energy.square().mean(), "force": forces.square().mean()}
        loss = self.energy_weight * parts["energy"] + self.force_weight * parts["force"]
        return {"loss": loss, **parts}

    def metrics(self, batch: Labelled) -> dict[str, Tensor]:
        """Return the mean absolute errors, meV/atom and meV/A.

        Args:
            batch: structures with labels.
        """
        energy, forces = self._errors(batch)
        return {
            "energy_mae_mev": 1000 * energy.abs().mean(),
            "force_mae_mev": 1000 * forces.abs().mean(),
        }

    def batch_size(self, batch: Labelled) -> int:
        """Return the structures of a batch.

        Args:
            batch: structures with labels.
        """
        return len(batch.energy)

    def counts(self, batch: Labelled) -> dict[str, float]:
        """Return the atoms, over which the errors of forces are means.

        The loss stays a mean over structures, as its first part.

        Args:
            batch: structures with labels.
        """
        atoms = len(batch.forces)
        return {"force": atoms, "force_mae_mev": atoms}

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the energy of each structure; the caller differentiates it and adds the reference.

        Args:
            folder: the run folder, or `None`.
        """
        backbone: Any = self.backbone
        units = {"positions": "A", "cells": "A", "images": "lattice vectors"}
        example = tuple(backbone.example_input())
        names = zip(Graph._fields, example, strict=True)
        inputs = tuple(
            Signal(name, tuple(f"{name}_{n}" for n in range(tensor.ndim)), units.get(name, "1"))
            for name, tensor in names
        )
        steps = (
            "Differentiate the energy: forces are minus its gradient by the positions.",
            "Add the reference energies of reference.json, one for each atom, in float64.",
        )
        energy = Signal("energy", ("structure",), "eV, on the scale of the base")
        return Deployed(
            EnergyOf(backbone), example, inputs, (energy,), normalisation=Normalisation(after=steps)
        )

    def _errors(self, batch: Labelled) -> tuple[Tensor, Tensor]:
        """Return the errors of the energy, (b,), eV/atom, and of the forces, (n, 3), eV/A."""
        predicted = self.backbone(*batch.graph)
        counts = torch.bincount(batch.graph.owners)
        return (predicted.energy - batch.energy) / counts, predicted.forces - batch.forces
