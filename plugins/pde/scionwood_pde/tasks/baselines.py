"""Linear filters beside a test, fitted on the training trajectories of the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from scionwood_pde.evaluation.filters import FILTERS, PERSISTENCE, Filters

NAMES = tuple(name for name in FILTERS if " " not in name)
"""The filters of one step; `shell by horizon` equals `shell` there."""


@final
class Baselines:
    """The mean errors of the filters over the batches of a test, and the skill.

    Args:
        filters: the filters, fitted for the step of the data.
        score: a function from predicted and reference states and a mask to a mean error.
    """

    def __init__(self, filters: Filters, score: Callable[..., Tensor]) -> None:
        self.filters, self.score = filters, score
        self.sums = dict.fromkeys(("own", *NAMES), 0.0)
        self.count = 0

    @torch.no_grad()
    def add(
        self, network_error: Tensor, state: Tensor, reference: Tensor, mask: Tensor | None
    ) -> dict[str, Tensor]:
        """Return the error of each filter on a batch, and remember it beside the network's own.

        Args:
            network_error: the error of the network.
            state: (batch, field, *space), the last frame of the input.
            reference: the next states.
            mask: 1 at the points that count, or `None`.
        """
        errors = {}
        for name in NAMES:
            predicted = self.filters.predict(name, state.cpu()).to(reference)
            errors[name] = self.score(predicted, reference, mask)
        size = len(state)
        for name, error in {"own": network_error, **errors}.items():
            self.sums[name] += size * float(error)
        self.count += size
        return {f"vrmse_{name}": error for name, error in errors.items() if name != PERSISTENCE}

    def skill(self) -> float:
        """Return one minus the mean error of the network over the smallest of a filter."""
        best = min(self.sums[name] for name in NAMES)
        return 1 - self.sums["own"] / best if best else float("nan")


def baselines(data: Any, score: Callable[..., Tensor]) -> Baselines | None:
    """Return the filters of a data component, or `None` if it holds no trajectories of one step.

    Args:
        data: a data component; those that offer `filters()` are used.
        score: see `Baselines`.
    """
    filters: Filters | None = data.filters() if hasattr(data, "filters") else None
    return None if filters is None else Baselines(filters, score)
