"""The normaliser of the fields that a model sees.

A run folder keeps it as `normaliser.json`, because the run cannot be applied without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import torch
from torch import Tensor

from scionwood import ReadError, RecipeError
from scionwood_pde.data.cards import read_card, write_card
from scionwood_pde.readers.statistics import Statistics, Sums

FILE = "normaliser.json"
SMALLEST = 1e-6
"""Smallest ratio of standard deviation to root mean square; below it a field is constant."""

SMALLEST_DOUBLE = 1e-13
"""The same for fields in double precision."""


@final
@dataclass(frozen=True)
class Normaliser:
    """Mean and standard deviation of each field of the training data, and the time of a step.

    Args:
        fields: names of the fields, in the order in which the model sees them.
        mean: mean of each field, in its unit.
        std: standard deviation of each field, in its unit; 1 for a constant field.
        interval: time from a state to the state that is predicted. `None` if single states are
            learned.
        time_unit: unit of the interval.
    """

    fields: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interval: float | None = None
    time_unit: str = "unknown"

    @classmethod
    def of(
        cls,
        fields: Sequence[str],
        states: Iterable[np.ndarray],
        interval: float | None = None,
        time_unit: str = "unknown",
    ) -> Self:
        """Measure mean and standard deviation on states.

        Args:
            fields: names of the channels.
            states: states of shape (channel, *space); one of them is in memory at a time.
            interval: see the class.
            time_unit: see the class.
        """
        sums, smallest = Sums(len(fields)), SMALLEST_DOUBLE
        for state in states:
            sums.add(state)
            # One file in single precision makes all rounding as coarse as that.
            smallest = smallest if state.dtype == np.float64 else SMALLEST
        return cls.chosen(fields, sums.statistics(), interval, time_unit, smallest)

    @classmethod
    def chosen(
        cls,
        fields: Sequence[str],
        statistics: Sequence[Statistics],
        interval: float | None = None,
        time_unit: str = "unknown",
        smallest: float = SMALLEST,
    ) -> Self:
        """Return a normaliser with the mean and standard deviation of given statistics."""
        # A field that is constant up to rounding (1e-7 of its size in float32, 1e-16 in float64)
        # would be blown up to unit variance; with 1 it stays near zero.
        std = [s.std if s.std > smallest * np.hypot(s.mean, s.std) else 1.0 for s in statistics]
        return cls(
            tuple(fields), tuple(s.mean for s in statistics), tuple(std), interval, time_unit
        )

    def apply(self, states: Tensor) -> Tensor:
        """Normalise fields (..., field, x, y, z) in their units to zero mean and unit variance."""
        mean, std = self._moments(states)
        return (states - mean) / std

    def undo(self, states: Tensor) -> Tensor:
        """Convert normalised fields back to their units."""
        mean, std = self._moments(states)
        return states * std + mean

    def of_fields(self, fields: Sequence[str]) -> Self:
        """Return the normaliser of the given fields only, in that order.

        Raises:
            RecipeError: the run was not trained on one of the fields.
        """
        unknown = [name for name in fields if name not in self.fields]
        if unknown:
            rule = f"the run was trained on {', '.join(self.fields)}"
            raise RecipeError(f"field {unknown[0]!r}", rule, "Choose some of these with --fields")
        rows = [self.fields.index(name) for name in fields]
        mean, std = (tuple(values[i] for i in rows) for values in (self.mean, self.std))
        return replace(self, fields=tuple(fields), mean=mean, std=std)

    def write(self, folder: str | Path) -> None:
        """Write the normaliser into a run folder."""
        write_card(self, folder, FILE)

    @classmethod
    def read(cls, folder: str | Path) -> Self | None:
        """Return the normaliser of a run folder, or `None` if the run has no normaliser.

        Raises:
            ReadError: the file is damaged.
        """

        def make_normaliser(card: dict[str, Any]) -> tuple[Self, bool]:
            normaliser = cls(
                **card | {name: tuple(card[name]) for name in ("fields", "mean", "std")}
            )
            counts = {len(normaliser.fields), len(normaliser.mean), len(normaliser.std)}
            return normaliser, len(counts) == 1 and min(normaliser.std) > 0

        normaliser, valid = read_card(folder, FILE, "normaliser", make_normaliser) or (None, True)
        if not valid:
            rule = "each field needs one mean and one positive standard deviation"
            raise ReadError(str(Path(folder) / FILE), rule, "Copy it again")
        return normaliser

    def _moments(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, each (field, 1, 1, 1)."""
        both = torch.tensor([self.mean, self.std], dtype=like.dtype, device=like.device)
        mean, std = both.view(2, -1, 1, 1, 1)
        return mean, std
