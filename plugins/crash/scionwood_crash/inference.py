"""Predictions on files with the network of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from scionwood import RecipeError, TrainingError, find_run, load_run
from scionwood.authoring import atomic_path, read_origin, weights_digest, writing
from scionwood_crash.data.encode import Coarse, Encoder, outward
from scionwood_crash.data.user_settings import data_of, settings_of
from scionwood_crash.evaluation.calibration import networks, predicting
from scionwood_crash.evaluation.fields import Fields, projected
from scionwood_crash.evaluation.intervals import Interval, Intervals
from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.model.novelty import DISTANCE, LIMIT, verdict
from scionwood_crash.morph.parametrise import Fallback
from scionwood_crash.parts.carried import at_rest, carrier_message
from scionwood_crash.parts.impact import REVERSED, velocity_of_part
from scionwood_crash.parts.mesh import CrashSeries
from scionwood_crash.parts.part import Part
from scionwood_crash.parts.plausibility import check_clamps
from scionwood_crash.parts.resample import at_own_times, resampled
from scionwood_crash.parts.series import STRAIN, Setup, factors, from_series
from scionwood_crash.tasks.displacement import Displacement


@final
class Predictor:
    """The network of a run, with the encoder that prepares parts for it.

    Args:
        run: a run of the task `crash/displacement`, as a folder or another reference to it.
        fallback: `refuse` a part without two ends, or `project` the grid onto its axes.
        device: where to compute, such as `cpu` or `cuda`.

    Attributes:
        folder: the run folder.
        frames: states that the network predicts.
        distance: novelty of the last predicted part; of an assembly, that of its strangest piece.
        limit: novelty that 98 % of new parts of the same kind do not exceed; 0 if not measured.
        interval: prediction interval of the last part; `None` if the run was not calibrated.
        outside: further conditions of the last part that lie far outside of the training.
        frame: sentences on the last part, if it flies into a fixed wall; see `parts.carried`.
        user: what the recipe of the run states for files, with the meaning of their settings.

    Raises:
        TrainingError: it is not a finished run of `crash/displacement`.
    """

    def __init__(
        self, run: str | Path, *, fallback: Fallback = "refuse", device: str = "cpu"
    ) -> None:
        self.folder = find_run(run)
        task = load_run(self.folder, device)
        if not isinstance(task, Displacement):
            rule = f"it is a run of {type(task).__name__}, not of crash/displacement"
            raise TrainingError(f"run {run}", rule, "Name a run of crash/displacement")
        self.task = task
        network: Any = task.backbone  # a `Network`, which peft may wrap
        self.novelty, self.frames = network.novelty, int(network.frames)
        data, options = data_of(self.folder)
        coarse: Coarse = "none" if options.get("coarse") == "none" else "morph"
        self.encoder = Encoder(network.size, coarse=coarse, fallback=fallback)
        self.device = device
        self.distance, self.limit = 0.0, float(network.novelty.limit)
        self.fields = Fields.read(self.folder)
        self.intervals = Intervals.read(self.folder)
        self.interval: Interval | None = None
        self.user = settings_of(data, options)
        self.outside: list[str] = []
        self.frame: list[str] = []

    @torch.no_grad()
    def predict(self, part: Part) -> Part:
        """Return the part with predicted displacements, and plastic strain if the network has it.

        They are means over both orientations of the third axis, so that a mirrored part gives the
        mirrored prediction.

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
        first, second = (self._half(part, mirrored=mirrored) for mirrored in (False, True))
        means: dict[str, Any] = {}
        for name in ("displacement", "plastic_strain"):
            pair = getattr(first, name), getattr(second, name)
            means[name] = None if pair[0] is None else (pair[0] + pair[1]) / 2
        return replace(part, **means)

    def _half(self, part: Part, *, mirrored: bool) -> Part:
        """Return the prediction with one orientation of the third axis."""
        encoded = self.encoder.encode(part, mirrored=mirrored)
        distance = float(self.novelty.cpu().of(encoded.graph).max())
        self.distance = max(self.distance, distance) if mirrored else distance
        extra_conditions = getattr(self.task.backbone, "further", None)
        if extra_conditions is not None:
            extra_conditions.check(part.conditions)
            self.outside = extra_conditions.cpu().outside(encoded.graph.condition)
            extra_conditions.to(self.device)
        graph = CrashGraph(*(tensor.to(self.device) for tensor in encoded.graph))
        moved, strain = self.task.predict({"graph": graph})
        moved = projected(moved, graph, self.fields.stiffness)
        strain = strain if self.fields.plastic_strain else None
        if not mirrored:
            self.interval = self._bounded(moved, graph)
        return replace(
            part,
            displacement=outward(moved, encoded.frame, encoded.order),
            plastic_strain=None if strain is None else strain.T.double().cpu().numpy(),
        )

    def on_series(self, series: CrashSeries, setup: Setup) -> CrashSeries:
        """Predict on the mesh of a series, at its own times.

        The network predicts equally spaced states over the duration of the series. Between them the
        prediction is linear in time. A mesh alone has the states of the network.

        Args:
            series: a mesh, or a simulation that is predicted from its mesh.
            setup: impact and boundary conditions that the file does not state.

        Returns:
            The predicted states on all points of the mesh, in its units. Points without a shell do
            not move. Of a part that flies into a wall, they are relative to its carrier.

        Raises:
            ReadError: the clamped nodes are unknown, or move in the simulation; or the part flies
                and no group of nodes moves as one body.
        """
        series = at_rest(series)
        source_part = from_series(series, setup, frames=self.frames, settings=self.user.settings)
        check_clamps(source_part)
        quantities, _ = self.user.settings.stated(series.features, factors(series.mesh.units))
        is_reversed = velocity_of_part(quantities, setup, source_part.impactor)
        self.frame = [
            *filter(None, [carrier_message(series)]),
            *([REVERSED] if is_reversed else []),
        ]
        part = self.predict(resampled(source_part, self.frames))
        measured = {DISTANCE: self.distance, LIMIT: self.limit} if self.limit else {}
        if self.interval is not None:
            measured |= self.interval.features(factors(series.mesh.units)[0])
        return _on_mesh(series, at_own_times(part, source_part.times), measured)

    def _bounded(self, moved: Tensor, graph: CrashGraph) -> Interval | None:
        """Return the interval of a prediction; `None` if the run was not calibrated."""
        if self.intervals is None:
            return None
        predict = predicting(self.task, self.fields.stiffness)
        others = networks(self.folder, self.task, self.intervals, predict)
        return self.intervals.interval(moved, [other(graph) for other in others], graph)

    @property
    def verdict(self) -> str:
        """A sentence on whether the last part was like the training parts."""
        sentence = verdict(self.distance, self.limit)
        if self.outside:
            return f"{sentence}; UNLIKE the training in {', '.join(self.outside)}"
        return sentence


def record_path(target: Path) -> Path:
    """Return the file that records how a prediction was made, `NAME.json` beside it."""
    return target.with_name(f"{target.name}.json")


def write_record(
    target: Path, predictor: Predictor, options: Mapping[str, Any], *, overwrite: bool
) -> None:
    """Record how a prediction was made: the run with the digest of its weights, and the options.

    Args:
        target: the file of the prediction.
        predictor: what predicted it.
        options: JSON values.
        overwrite: replace a record that exists.

    Raises:
        OutputExistsError: the record exists and `overwrite` is false.
        WriteError: the record cannot be written.
    """
    folder = predictor.folder
    content = {
        "run": str(read_origin(folder) or folder.resolve().name),
        "digest": weights_digest(folder),
        **options,
        "novelty": {"distance": predictor.distance, "limit": predictor.limit},
    }
    path = record_path(target)
    with writing(path), atomic_path(path, overwrite=overwrite) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _on_mesh(series: CrashSeries, part: Part, measured: dict[str, float]) -> CrashSeries:
    mesh = series.mesh
    length, time, _ = factors(mesh.units)
    assert part.displacement is not None
    moved = np.zeros((len(part.times), len(mesh.points), 3))
    moved[:, np.unique(mesh.cells)] = part.displacement / length
    strain = {} if part.plastic_strain is None else {STRAIN: part.plastic_strain}
    times = series.times if len(series) == len(part.times) else part.times / time
    return CrashSeries.from_arrays(
        mesh, times, moved, cell_fields=strain, features={**series.features, **measured}
    )
