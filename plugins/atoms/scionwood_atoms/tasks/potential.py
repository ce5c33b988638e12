"""Train a potential on energies, forces and stress."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Unpack, cast, final

import lightning as L
import torch
from torch import Tensor, nn

from scionwood import Optimiser, RecipeError, Task
from scionwood.authoring import Deployed, Normalisation, Signal
from scionwood_atoms.data.files import Files
from scionwood_atoms.evaluation.drift import FILE, Probe, described
from scionwood_atoms.model.graph import Graph, Labelled
from scionwood_atoms.model.potential import GPA, EnergyOf, Potential, rms
from scionwood_atoms.model.reference import write_json


class _Errors(NamedTuple):
    """Errors of b structures with n atoms, of which k have a stress."""

    energy: Tensor
    """(b,), eV/atom."""
    forces: Tensor
    """(n, 3), eV/A."""
    stress: Tensor
    """(k, 3, 3), eV/A^3."""


@final
class PotentialTask(Task):
    """Squared errors of the energy of an atom, of the forces, and of the stress of crystals.

    At the end of a fit the errors on the validation split, and how far the model moved on other
    crystals, are printed and written into `drift.json`.

    Args:
        backbone: a potential, with its adapter attached.
        energy_weight: the weight of the squared error of the energy, (eV/atom)^-2.
        force_weight: the weight of the squared error of the forces, (eV/A)^-2; each structure
            counts alike, whatever its size.
        stress_weight: the weight of the squared error of the stress, (eV/A^3)^-2, which is zero for
            structures without a labelled stress. 0 leaves it out.
        head_steps: steps at the start in which the readout alone learns, the rest frozen.

    Shapes: a batch is a `Labelled` of b structures and n atoms.

    Units: losses have none; the metrics are meV/atom, meV/A and GPa.

    Raises:
        RecipeError: the stress has a weight, and no training structure has a stress.

    Source: the loss of SevenNet (Park et al. 2024, doi:10.1021/acs.jctc.4c00190), whose weights 0.1
        for eV/A and 1e-6 for kbar are as 10 to 257 here.
    """

    defaults: ClassVar[Optimiser] = {"lr": 1e-2, "warmup_steps": 5, "schedule": "cosine"}
    needs_gradient: ClassVar[bool] = True

    def __init__(
        self,
        backbone: nn.Module,
        *,
        energy_weight: float = 1.0,
        force_weight: float = 10.0,
        stress_weight: float = 0.0,
        head_steps: int = 0,
        **optimiser: Unpack[Optimiser],
    ) -> None:
        super().__init__(backbone, **optimiser)
        self.energy_weight, self.force_weight = energy_weight, force_weight
        self.stress_weight, self.head_steps, self.steady = stress_weight, head_steps, not head_steps
        self._probe: Probe | None = None

    def setup(self, stage: str) -> None:
        """Remember what the frozen base predicts for crystals: adapters start as it is."""
        if stage == "fit" and not self.sharded:
            training = self.backbone.training
            self._probe = Probe(self.backbone.eval())
            self.backbone.train(training)

    def on_fit_start(self) -> None:
        """Write the reference energies of the data into the run folder, if the data have them."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning sets it
        if self.stress_weight and not has_stress(data):
            rule = "no training structure has a stress and periods in three directions"
            raise RecipeError(f"task.stress_weight {self.stress_weight:g}", rule, "Set it to 0")
        if isinstance(data, Files) and self.trainer.is_global_zero:
            data.write(self.trainer.default_root_dir)

    def on_after_backward(self) -> None:
        """Freeze all but the readout in the first steps."""
        if self.global_step < self.head_steps:
            backbone: Any = self.backbone
            readout = re.compile(backbone.adapter_targets["readout"])
            for name, weight in backbone.named_parameters():
                weight.grad = weight.grad if readout.search(name) else None

    def before_export(self, trainer: L.Trainer) -> None:
        """Take reference energies for the fitted model, and write errors and drift on crystals."""
        if self._probe is None or self.sharded or not trainer.is_global_zero:
            return
        self.eval()
        data, folder = trainer.datamodule, trainer.default_root_dir  # type: ignore[attr-defined]
        if isinstance(data, Files):
            data.refer_to(cast(Potential, self.backbone))
            data.write(folder)
        card = {"validation": self._validation(trainer), **self._probe.drift(self.backbone)}
        write_json(Path(folder) / FILE, card)
        print(described(card), file=sys.stderr)

    def losses(self, batch: Labelled) -> dict[str, Tensor]:
        """Return the loss and its parts, each a mean over structures: so are those of a split."""
        errors, structures = self._errors(batch), len(batch.energy)
        owners = batch.graph.owners
        squares = errors.forces.square().mean(1)
        forces = squares.new_zeros(structures).index_add(0, owners, squares)
        forces = forces / torch.bincount(owners)
        parts = {"energy": errors.energy.square().mean(), "force": forces.mean()}
        loss = self.energy_weight * parts["energy"] + self.force_weight * parts["force"]
        if self.stress_weight:
            parts["stress"] = errors.stress.square().sum() / (9 * structures)
            loss = loss + self.stress_weight * parts["stress"]
        return {"loss": loss, **parts}

    def metrics(self, batch: Labelled) -> dict[str, Tensor]:
        """Return the mean absolute errors, meV/atom, meV/A and GPa."""
        errors = self._errors(batch)
        measured = {
            "energy_mae_mev": 1000 * errors.energy.abs().mean(),
            "force_mae_mev": 1000 * errors.forces.abs().mean(),
        }
        if self.stress_weight:
            mean = errors.stress.abs().sum() / max(errors.stress.numel(), 1)
            measured["stress_mae_gpa"] = GPA * mean
        return measured

    def batch_size(self, batch: Labelled) -> int:
        """Return the structures of a batch."""
        return len(batch.energy)

    def counts(self, batch: Labelled) -> dict[str, float]:
        """Return the atoms and the known stresses, over which the metrics are means.

        Args:
            batch: structures with labels.
        """
        labelled = int((~batch.stress.isnan().any(2).any(1)).sum())
        return {"force_mae_mev": len(batch.forces), "stress_mae_gpa": labelled}

    def deploy(self, folder: Path | None = None) -> Deployed:
        """Return the energy of each structure; the caller derives it and adds the reference."""
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

    def _errors(self, batch: Labelled) -> _Errors:
        predicted = self.backbone(*batch.graph)
        counts = torch.bincount(batch.graph.owners)
        energy = (predicted.energy - batch.energy) / counts
        has_stress = ~batch.stress.isnan().any(2).any(1)
        volumes = torch.linalg.det(batch.graph.cells[has_stress]).abs()
        stress = predicted.virial[has_stress] / volumes[:, None, None] - batch.stress[has_stress]
        return _Errors(energy, predicted.forces - batch.forces, stress)

    def _validation(self, trainer: L.Trainer) -> dict[str, float | None]:
        """Return root mean square errors: meV/atom, meV/A and GPa; `None` without structures."""
        loaders = trainer.val_dataloaders or []
        batches = []
        for batch in loaders[0] if isinstance(loaders, list) and loaders else loaders:
            with torch.no_grad():
                batches.append(self._errors(batch))
        if not batches:
            return {"energy": None, "force": None, "stress": None}
        parts = (torch.cat(part).cpu().double().numpy() for part in zip(*batches, strict=True))
        energy, force, stress = parts
        measured = {"energy": 1000 * rms(energy), "force": 1000 * rms(force)}
        return {**measured, "stress": GPA * rms(stress) if len(stress) else None}


def has_stress(data: Any) -> bool:
    """Return whether a training structure has a stress, and periods in three directions."""
    structures = data.train_dataloader().dataset
    return any(not bool(one.stress.isnan().all()) for one in structures)
