"""Further conditions of a run, beside those that every part has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final

import torch
from torch import Tensor, nn

from scionwood import RecipeError
from scionwood_crash.model.graph import CONDITIONS, DIRECTION, DURATION, SPEED, CrashGraph

FAR = 4.0
"""Standard deviations beyond which a condition is outside of the training."""


@final
class Further(nn.Module):
    """Add a linear map of further conditions to the known ones; at the start it adds nothing.

    The direction of the impact, its speed and its duration stay as they are, since the network also
    uses them as lengths and times.

    Args:
        names: the names of the further conditions; their order does not matter.
    """

    mean: Tensor
    scale: Tensor
    kept: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = sorted(names)
        self.count = count = len(self.names)
        self.shift = nn.Linear(count, CONDITIONS, bias=False)
        nn.init.zeros_(self.shift.weight)
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("scale", torch.ones(count))
        mask = torch.ones(CONDITIONS)
        mask[DIRECTION], mask[SPEED], mask[DURATION] = 0.0, 0.0, 0.0
        self.register_buffer("kept", mask, persistent=False)

    @torch.no_grad()
    def fit(self, graphs: list[CrashGraph]) -> None:
        """Take mean and scale from the training parts; a constant condition has the scale 1.

        Args:
            graphs: one or more parts each.
        """
        conditions = torch.cat([graph.condition[:, CONDITIONS:] for graph in graphs])
        spread = conditions.std(0, correction=0)
        self.mean.copy_(conditions.mean(0))
        self.scale.copy_(torch.where(spread > 1e-6 * conditions.abs().amax(0), spread, 1.0))

    def forward(self, condition: Tensor) -> Tensor:
        """Map (part, 27 + count) to (part, 27)."""
        shift: Tensor = self.shift(self._standard(condition))
        return condition[:, :CONDITIONS] + shift * self.kept

    def outside(self, condition: Tensor) -> list[str]:
        """Return the names of the further conditions that lie far outside of the training."""
        far = (self._standard(condition).abs() > FAR).any(0)
        return [name for name, is_far in zip(self.names, far.tolist(), strict=True) if is_far]

    def check(self, names: Iterable[str]) -> None:
        """Refuse other names than those of the network.

        Args:
            names: the further conditions of a run.

        Raises:
            RecipeError: the names differ.
        """
        condition_names = sorted(names)
        if condition_names != self.names:
            rule = f"the run states {', '.join(condition_names) or 'none'}, and the network takes "
            remedy = "Name the same in backbone.conditions, or leave keys out: "
            raise RecipeError(
                "further conditions",
                rule + (", ".join(self.names) or "none"),
                remedy + "settings: {KEY: ignore}",
            )

    def _standard(self, condition: Tensor) -> Tensor:
        return (condition[:, CONDITIONS:] - self.mean) / self.scale
