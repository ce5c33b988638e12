"""What a run knows about its fields: the stiffness of the projection, and the plastic strain.

`fields.json` in a run folder holds both. They are measured at the end of the training.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from scionwood import ReadError
from scionwood.authoring import atomic_path, reading
from scionwood_crash.data.encode import LENGTH, Encoded
from scionwood_crash.evaluation.edges import edge_measures
from scionwood_crash.evaluation.metrics import intrusion, measure
from scionwood_crash.model.graph import CrashGraph
from scionwood_crash.model.projection import Projection

FILE = "fields.json"
STIFFNESSES = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Candidates; 0 stands for no projection."""
PARTS = 16
"""The most parts that calibrate the stiffness."""
AIMS = (1.5, 2.0)
"""Aims for the ratios of the mean strain and of its 99th percentile; they weight both."""
WORSE = 1.05
"""The projection may raise the mean distance of the calibrating parts by this factor at most."""


@final
@dataclass(frozen=True)
class Fields:
    """What a run knows about its fields.

    Attributes:
        stiffness: stiffness of the projection; 0 for none.
        plastic_strain: whether the training had plastic strain, so that the network predicts it.
        parts: number of parts that calibrated the stiffness.
        ratio: mean edge strain of their predictions over that of the simulations.
        projected: the same after the projection.
    """

    stiffness: float = 0.0
    plastic_strain: bool = True
    parts: int = 0
    ratio: float = 1.0
    projected: float = 1.0

    def write(self, folder: str | Path) -> None:
        """Write the file into a run folder."""
        with atomic_path(Path(folder) / FILE, overwrite=True) as part:
            part.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: str | Path) -> Fields:
        """Read the file of a run folder; a run from before this file existed has no projection.

        Raises:
            ReadError: the file is damaged.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            return cls()
        with reading(path, "fields of a run"):
            entries: dict[str, Any] = json.loads(path.read_text("utf-8"))
            run_fields = cls(
                float(entries["stiffness"]),
                bool(entries["plastic_strain"]),
                int(entries["parts"]),
                float(entries["ratio"]),
                float(entries["projected"]),
            )
        if not (math.isfinite(run_fields.stiffness) and 0 <= run_fields.stiffness <= 1e4):
            rule = f"the stiffness {run_fields.stiffness} is not between 0 and 10000"
            raise ReadError(str(path), rule, "Fetch the run again, or train it again")
        return run_fields


def projected(moved: Tensor, graph: CrashGraph, stiffness: float) -> Tensor:
    """Return displacements after the projection towards inextensible edges.

    Args:
        moved: (N, T, 3), predicted, in 100 mm.
        graph: the graph of one part.
        stiffness: see `Fields`; 0 returns `moved`.
    """
    if not stiffness:
        return moved
    deepest = float(intrusion(moved, graph).max()) / LENGTH
    return Projection(graph, stiffness, deepest)(moved)


@torch.no_grad()
def calibrate(
    predict: Callable[[CrashGraph], Tensor], parts: Sequence[Encoded]
) -> tuple[float, float, float]:
    """Choose the stiffness at which predictions stretch their edges as the simulations do.

    The choice minimises the sum of two absolute logarithms: of the ratio of the mean strains, and
    of the ratio of their 99th percentiles, each relative to that of its aim. A stiffness that makes
    the mean distance more than 5 % larger is left out.

    Args:
        predict: displacements (N, T, 3) of the graph of one part, in 100 mm.
        parts: encoded with their displacements; the first 16 are used.

    Returns:
        The stiffness, and the ratio of mean strains without and with the projection.
    """
    chosen = [part for part in parts if len(part.displacement)][:PARTS]
    predictions = [predict(part.graph) for part in chosen]
    if not chosen:
        return 0.0, 1.0, 1.0
    plain = _scores(predictions, chosen)
    best = (0.0, plain)
    for stiffness in STIFFNESSES:
        pairs = zip(predictions, chosen, strict=True)
        scores = _scores(
            [projected(prediction, part.graph, stiffness) for prediction, part in pairs], chosen
        )
        if scores[2] <= WORSE * plain[2] and _cost(scores) < _cost(best[1]):
            best = stiffness, scores
    return best[0], plain[0], best[1][0]


def _scores(predictions: Sequence[Tensor], parts: Sequence[Encoded]) -> tuple[float, float, float]:
    """Return the ratios of mean strain and 99th percentile, and the MED, percent."""
    rows = []
    for moved, part in zip(predictions, parts, strict=True):
        edges = edge_measures(moved, part.displacement, part.graph)
        med = measure(moved, part.displacement, part.graph)["med_share"]
        names = ("edge_strain_predicted", "edge_strain_true", "edge_p99_predicted", "edge_p99_true")
        rows.append(torch.stack([*(edges[name][0] for name in names), med[0]]).double())
    mean, true, p99, p99_true, med = torch.stack(rows).mean(0).clamp_min(1e-12).tolist()
    return mean / true, p99 / p99_true, med


def _cost(scores: tuple[float, float, float]) -> float:
    mean, p99 = AIMS
    # Logarithms, so that half and twice the true strain cost the same.
    return abs(math.log(scores[0])) / math.log(mean) + abs(math.log(scores[1])) / math.log(p99)
