"""Prediction intervals of a run: of the maximum intrusion, and of the displacement of nodes.

Two methods of conformal prediction set them. `split` uses the errors on spare designs, which took
no part in the training: 9 or more for the level 0.9. `cv+` needs none: networks that were trained
without a fold of the training designs err on that fold. Both methods assume that a new design is
drawn like those designs.

Source: Papadopoulos et al. 2002 (split); Barber et al. 2021, Annals of Statistics 49, 486 (CV+). A
node counts by the distance to its prediction; its bound for CV+ follows by the triangle inequality.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from torch import Tensor

from scionwood import ReadError, RecipeError
from scionwood.authoring import atomic_path, reading
from scionwood_crash.data.encode import LENGTH
from scionwood_crash.evaluation.metrics import intrusion
from scionwood_crash.model.graph import CrashGraph

FOLDER, FILE = "intervals", "errors.json"
"""Where a run folder keeps its intervals."""
LEVEL = 0.9
NODES = 0.95
"""Share of the nodes that the bound of displacements covers."""

FEATURES = ("intrusion_low", "intrusion_high", "node_radius", "interval_level")
"""Features of a predicted series that hold its interval."""

Method = Literal["split", "cv+"]


@final
@dataclass(frozen=True)
class Interval:
    """The interval of one prediction.

    Attributes:
        low: lower end for the maximum intrusion, mm.
        high: upper end, mm.
        radius: distance within which 95 % of the nodes lie at the last state, mm.
        level: share of new designs that the intervals are made for.
    """

    low: float
    high: float
    radius: float
    level: float = LEVEL

    def features(self, length: float) -> dict[str, float]:
        """Return the interval as features of a predicted series.

        Args:
            length: factor from the unit of length of the series to mm.
        """
        values = (self.low / length, self.high / length, self.radius / length, self.level)
        return dict(zip(FEATURES, values, strict=True))

    def __str__(self) -> str:
        """Return a sentence for people."""
        return (
            f"{self.level:.0%} interval: maximum intrusion {self.low:.4g} to {self.high:.4g} mm; "
            f"95 % of the nodes within {self.radius:.3g} mm at the last state"
        )


@final
@dataclass(frozen=True)
class Intervals:
    """The errors of a run on designs that its networks did not train on.

    Attributes:
        method: `split` or `cv+`.
        intrusion: absolute errors of the logarithm of the maximum intrusion, one for each design.
        nodes: distances within which the nodes lie at the last state, mm. They hardly depend on the
            depth of the intrusion.
        fold: for `cv+` the fold of each design; empty for `split`.
        level: share of new designs that the intervals are made for.

    Raises:
        RecipeError: there are too few designs for the level.
    """

    method: Method
    intrusion: tuple[float, ...]
    nodes: tuple[float, ...]
    fold: tuple[int, ...] = ()
    level: float = LEVEL

    def __post_init__(self) -> None:
        rank(len(self.intrusion), self.level)

    @property
    def folds(self) -> int:
        """The number of networks beside that of the run."""
        return max(self.fold, default=-1) + 1

    def interval(self, main: Tensor, others: Sequence[Tensor], graph: CrashGraph) -> Interval:
        """Return the interval of a prediction.

        Args:
            main: (N, T, 3), what the network of the run predicts, in 100 mm.
            others: the same of the networks of the folds, in order; none for `split`.
            graph: the graph of the part.
        """
        at = rank(len(self.intrusion), self.level) - 1
        errors, nodes = np.array(self.intrusion), np.array(self.nodes)
        if self.method == "split":
            # Errors of logarithms are shares of the intrusion, so that deep and shallow dents count
            # alike.
            deep, wide = depth(main, graph), float(np.sort(errors)[at])
            radius = float(np.sort(nodes)[at])
            return Interval(deep * math.exp(-wide), deep * math.exp(wide), radius, self.level)
        fold = np.array(self.fold)
        logs = np.log([max(depth(other, graph), 1e-6) for other in others])[fold]
        apart = np.array([cover(other, main, half=True) for other in others])[fold]
        high = np.sort(logs + errors)[at]
        # The smallest-but-k of the lower ends, as CV+ defines it: rank n + 1 - k, here counted from
        # 0.
        low = np.sort(logs - errors)[len(errors) - 1 - at]
        radius = np.sort(apart + nodes)[at]
        return Interval(math.exp(low), math.exp(high), float(radius), self.level)

    def write(self, folder: str | Path) -> None:
        """Write `errors.json` into a folder."""
        with atomic_path(Path(folder) / FILE, overwrite=True) as part:
            part.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: str | Path) -> Intervals | None:
        """Read the intervals of a run folder; `None` if the run was not calibrated.

        Raises:
            ReadError: the file is damaged.
        """
        path = Path(folder) / FOLDER / FILE
        if not path.is_file():
            return None
        with reading(path, "intervals of a run"):
            entries: dict[str, Any] = json.loads(path.read_text("utf-8"))
            errors, nodes = (tuple(map(float, entries[name])) for name in ("intrusion", "nodes"))
            fold = tuple(map(int, entries["fold"]))
            method, level = entries["method"], float(entries["level"])
        sizes = {len(errors), len(nodes), *([len(fold)] if method == "cv+" else [])}
        finite = all(math.isfinite(value) and value >= 0 for value in (*errors, *nodes))
        wrong = method not in ("split", "cv+") or len(sizes) > 1 or not finite
        if wrong or not 0 < level < 1 or any(not 0 <= number < 64 for number in fold):
            rule = "its errors are no lists of finite numbers of equal length"
            raise ReadError(str(path), rule, "Calibrate again: scionwood crash calibrate RUN")
        return cls(method, errors, nodes, fold, level)


def rank(count: int, level: float) -> int:
    """Return which of the sorted errors bounds the next one at a level, from 1.

    Raises:
        RecipeError: there are too few errors.
    """
    at = math.ceil(level * (count + 1))
    if at > count:
        fewest = math.ceil(level / (1 - level) - 1e-9)
        rule = f"an interval at the level {level:.0%} needs {fewest} or more"
        raise RecipeError(f"{count} designs for calibration", rule, "Simulate more designs")
    return at


def depth(moved: Tensor, graph: CrashGraph) -> float:
    """Return the maximum intrusion of the displacements (N, T, 3) of one part, mm."""
    return float(intrusion(moved, graph).max())


def cover(moved: Tensor, other: Tensor, *, half: bool = False) -> float:
    """Return the distance within which 95 % of the nodes lie at the last state, mm.

    Args:
        moved: (N, T, 3), in 100 mm.
        other: (N, T, 3), in 100 mm.
        half: leave out only half as many nodes, so that two such distances may be added.
    """
    distance = LENGTH * (moved[:, -1] - other[:, -1]).norm(dim=-1)
    # If each of two distances leaves out 2.5 % of the nodes, their sum leaves out at most 5 %.
    return float(distance.quantile(1 - (1 - NODES) / 2 if half else NODES))


def errors_of(
    moved: Tensor, simulated: Tensor, graph: CrashGraph, *, half: bool = False
) -> tuple[float, float]:
    """Return the error of the logarithm of the intrusion, and the distance of the nodes, mm.

    Args:
        moved: (N, T, 3), predicted, in 100 mm.
        simulated: (N, T, 3), in 100 mm.
        graph: the graph of one part.
        half: see `cover`; true for `cv+`.
    """
    predicted_depth, true_depth = (
        max(depth(history, graph), 1e-6) for history in (moved, simulated)
    )
    return abs(math.log(predicted_depth / true_depth)), cover(moved, simulated, half=half)
