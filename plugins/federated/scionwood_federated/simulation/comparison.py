"""What the regimes of a simulation reached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scionwood_federated.simulation.engine import Outcome


@dataclass(frozen=True)
class Comparison:
    """What the regimes reached.

    Attributes:
        score: the name of the score, the monitor of the task.
        higher: whether a larger score is better.
        outcomes: by regime.
        folder: the folder of the simulation.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_federated import Comparison
        >>> Comparison("nse", higher=True, outcomes={}, folder=Path("sim")).gap_closed is None
        True
    """

    score: str
    higher: bool
    outcomes: dict[str, Outcome]
    folder: Path

    @property
    def gap_closed(self) -> float | None:
        """The share of the gap between alone and pooled that federation closes.

        It is `None` if one of the three did not run, or if pooled data are no better than sites
        alone.
        """
        if not {"alone", "federated", "pooled"} <= self.outcomes.keys():
            return None
        alone, reached, pooled = (mean(self.outcomes[r]) for r in ("alone", "federated", "pooled"))
        better = pooled > alone if self.higher else pooled < alone
        return (reached - alone) / (pooled - alone) if better else None


def mean(outcome: Outcome) -> float:
    """Return the mean score over models and sites."""
    return sum(outcome.all.values()) / len(outcome.all)
