"""Predictions on files with the network of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from scionwood import RecipeError, load_run
from scionwood_crash.data.encode import Encoder, outward
from scionwood_crash.morph.parametrise import Fallback
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.series import STRAIN, Setup, factors, from_series

DISTANCE, LIMIT = "novelty_distance", "novelty_limit"
"""Features of a predicted series: how far the part is from the training's, and what is usual."""


@final
class Predictor:
    """The network of a run, with what encodes parts for it.

    Args:
        run: a run folder of `crash/displacement`.
        fallback: what happens to a part without two ends.
        device: where to compute.

    Attributes:
        distance: of the last part from those of the training.
        limit: that 99 % of the training parts are within; 0 where it was not measured.

    Raises:
        TrainingError: the folder is no finished run.
    """

    def __init__(
        self, run: str | Path, *, fallback: Fallback = "refuse", device: str = "cpu"
    ) -> None:
        self.task: Any = load_run(Path(run), device)
        size, self.frames = self.task.backbone.size, int(self.task.backbone.frames)
        self.encoder, self.device = Encoder(size, fallback=fallback), device
        self.distance = 0.0
        self.limit = float(self.task.backbone.novelty.limit)

    @torch.no_grad()
    def predict(self, part: Part) -> Part:
        """A part with the predicted displacements, and plastic strain if the network has it.

        Args:
            part: with as many times as the network has frames.

        Raises:
            RecipeError: it has another number of times.
        """
        if len(part.times) != self.frames:
            rule = f"the network predicts {self.frames} states, and the part has {len(part.times)}"
            raise RecipeError(f"part {part.name!r}", rule, "Give a mesh alone, or as many states")
        found = self.encoder.encode(part)
        self.distance = float(self.task.backbone.novelty.cpu().of(found.graph))
        graph = [tensor.to(self.device) for tensor in found.graph]
        moved, strain = self.task.predict({"graph": graph})
        return replace(
            part,
            displacement=outward(moved, found.frame),
            plastic_strain=None if strain is None else strain.T.double().cpu().numpy(),
        )

    def on_series(self, series: CrashSeries, setup: Setup) -> CrashSeries:
        """A prediction on the mesh of a series, at its times if it has as many states.

        Args:
            series: a mesh, or a simulation to be predicted from its mesh.
            setup: what the file does not say.
        """
        alike = len(series) == self.frames
        given = series if alike else replace(series, times=series.times[:1])
        part = self.predict(from_series(given, setup, frames=self.frames))
        measured = {DISTANCE: self.distance, LIMIT: self.limit} if self.limit else {}
        return _on_mesh(series, part, measured)

    @property
    def verdict(self) -> str:
        """Whether the last part was like those of the training."""
        return verdict(self.distance, self.limit)


def verdict(distance: float, limit: float) -> str:
    """Whether a part is within the limit that 99 % of the training parts are within.

    Args:
        distance: of the part; see `model.novelty`.
        limit: 0 where it was not measured.
    """
    if not limit:
        return "how new this part is was not measured: the network was not trained in this run"
    if distance <= limit:
        return f"like the training parts: distance {distance:.2f}, limit {limit:.2f}"
    return f"UNLIKE the training parts: distance {distance:.2f}, limit {limit:.2f}"


def _on_mesh(series: CrashSeries, part: Part, measured: dict[str, float]) -> CrashSeries:
    """A part's history on all points of a mesh, in its units; points without a shell stay."""
    mesh = series.mesh
    length, time, _ = factors(mesh.units)
    assert part.displacement is not None
    moved = np.zeros((len(part.times), len(mesh.points), 3))
    moved[:, np.unique(mesh.cells)] = part.displacement / length
    strain = {} if part.plastic_strain is None else {STRAIN: part.plastic_strain}
    return CrashSeries.from_arrays(
        mesh, part.times / time, moved, cell_fields=strain, features={**series.features, **measured}
    )
