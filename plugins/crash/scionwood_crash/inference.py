"""Predictions on files with the network of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from scionwood import RecipeError, TrainingError, load_run
from scionwood_crash.data.encode import Encoder, outward
from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.model.novelty import DISTANCE, LIMIT, verdict
from scionwood_crash.morph.parametrise import Fallback
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import STRAIN, Setup, factors, from_series
from scionwood_crash.tasks.displacement import Displacement


@final
class Predictor:
    """The network of a run, with the encoder that prepares parts for it.

    Args:
        run: a run folder of the task `crash/displacement`.
        fallback: `refuse` a part without two ends, or `project` the grid onto its axes.
        device: where to compute, such as `cpu` or `cuda`.

    Attributes:
        frames: states that the network predicts.
        distance: novelty of the last predicted part.
        limit: novelty that 99 % of the training parts do not exceed; 0 if it was not measured.

    Raises:
        TrainingError: the folder is not a finished run of `crash/displacement`.
    """

    def __init__(
        self, run: str | Path, *, fallback: Fallback = "refuse", device: str = "cpu"
    ) -> None:
        task = load_run(run, device)
        if not isinstance(task, Displacement):
            rule = f"it is a run of {type(task).__name__}, not of crash/displacement"
            raise TrainingError(f"run {run}", rule, "Name a run of crash/displacement")
        self.task = task
        network: Any = task.backbone  # a `Network`, which peft may wrap
        self.novelty, self.frames = network.novelty, int(network.frames)
        self.encoder, self.device = Encoder(network.size, fallback=fallback), device
        self.distance, self.limit = 0.0, float(network.novelty.limit)

    @torch.no_grad()
    def predict(self, part: Part) -> Part:
        """Return the part with predicted displacements, and plastic strain if the network has it.

        Args:
            part: has as many times as the network has frames.

        Raises:
            RecipeError: the number of times differs.
        """
        if len(part.times) != self.frames:
            rule = f"the network predicts {self.frames} states, and the part has {len(part.times)}"
            raise RecipeError(
                f"part {part.name!r}", rule, "Give a mesh without history, or as many states"
            )
        encoded = self.encoder.encode(part)
        self.distance = float(self.novelty.cpu().of(encoded.graph))
        graph = CrashGraph(*(tensor.to(self.device) for tensor in encoded.graph))
        moved, strain = self.task.predict({"graph": graph})
        return replace(
            part,
            displacement=outward(moved, encoded.frame),
            plastic_strain=None if strain is None else strain.T.double().cpu().numpy(),
        )

    def on_series(self, series: CrashSeries, setup: Setup) -> CrashSeries:
        """Predict on the mesh of a series, at its times if it has as many states as the network.

        Args:
            series: a mesh, or a simulation that is predicted from its mesh.
            setup: impact and boundary conditions that the file does not state.

        Returns:
            The predicted states on all points of the mesh, in its units. Points without a shell do
            not move.
        """
        alike = len(series) == self.frames
        known = series if alike else replace(series, times=series.times[:1])
        part = self.predict(from_series(known, setup, frames=self.frames))
        measured = {DISTANCE: self.distance, LIMIT: self.limit} if self.limit else {}
        return _on_mesh(series, part, measured)

    @property
    def verdict(self) -> str:
        """A sentence on whether the last part was like the training parts."""
        return verdict(self.distance, self.limit)


def _on_mesh(series: CrashSeries, part: Part, measured: dict[str, float]) -> CrashSeries:
    mesh = series.mesh
    length, time, _ = factors(mesh.units)
    assert part.displacement is not None
    moved = np.zeros((len(part.times), len(mesh.points), 3))
    moved[:, np.unique(mesh.cells)] = part.displacement / length
    strain = {} if part.plastic_strain is None else {STRAIN: part.plastic_strain}
    return CrashSeries.from_arrays(
        mesh, part.times / time, moved, cell_fields=strain, features={**series.features, **measured}
    )
