"""What normalises the fields that a model sees: it is kept with the run, which needs it to be used.

A run folder holds it as `normaliser.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from scionwood import ReadError, RecipeError, atomic_path
from scionwood_pde.readers.statistics import Statistics, Sums

FILE = "normaliser.json"
SMALLEST = 1e-6
"""Of a standard deviation over the root mean square: below it a field is constant."""


@final
@dataclass(frozen=True)
class Normaliser:
    """Mean and standard deviation of each field of the training data, and how far it steps.

    Args:
        fields: their names, in the order in which the model sees them.
        mean: of each, in its unit.
        std: of each, in its unit; 1 of a constant field.
        interval: the time from a state to the one that is learned; None where one state is.
        time_unit: of the interval.
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
        """Measure.

        Args:
            fields: names of the channels.
            states: (channel, *space) each; one of them is in memory at a time.
            interval: see the class.
            time_unit: see the class.
        """
        sums = Sums(len(fields))
        for state in states:
            sums.add(state)
        return cls.chosen(fields, sums.statistics(), interval, time_unit)

    @classmethod
    def chosen(
        cls,
        fields: Sequence[str],
        statistics: Sequence[Statistics],
        interval: float | None = None,
        time_unit: str = "unknown",
    ) -> Self:
        """Take mean and standard deviation of statistics of as many fields."""
        std = [s.std if s.std > SMALLEST * np.hypot(s.mean, s.std) else 1.0 for s in statistics]
        return cls(
            tuple(fields), tuple(s.mean for s in statistics), tuple(std), interval, time_unit
        )

    def apply(self, states: Tensor) -> Tensor:
        """Fields (..., field, x, y, z) in their units to zero mean and unit variance."""
        mean, std = self._moments(states)
        return (states - mean) / std

    def undo(self, states: Tensor) -> Tensor:
        """Back to the fields' units."""
        mean, std = self._moments(states)
        return states * std + mean

    def of_fields(self, fields: Sequence[str]) -> Self:
        """The normaliser of those fields alone, in that order.

        Raises:
            RecipeError: one of them was not trained on.
        """
        unknown = [name for name in fields if name not in self.fields]
        if unknown:
            rule = f"the run was trained on {', '.join(self.fields)}"
            raise RecipeError(f"field {unknown[0]!r}", rule, "Choose of these with --fields")
        rows = [self.fields.index(name) for name in fields]
        mean, std = (tuple(values[i] for i in rows) for values in (self.mean, self.std))
        return replace(self, fields=tuple(fields), mean=mean, std=std)

    def write(self, folder: str | Path) -> None:
        """Write it into a run folder."""
        with atomic_path(Path(folder) / FILE) as part:
            part.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")

    @classmethod
    def read(cls, folder: str | Path) -> Self | None:
        """That of a run folder; None where the run has none.

        Raises:
            ReadError: the file is damaged.
        """
        path = Path(folder) / FILE
        if not path.exists():
            return None
        try:
            card = json.loads(path.read_text("utf-8"))
            card |= {name: tuple(card[name]) for name in ("fields", "mean", "std")}
            found = cls(**card)
            valid = len(found.fields) == len(found.mean) == len(found.std) and min(found.std) > 0
        except (KeyError, TypeError, ValueError) as error:
            raise ReadError(str(path), f"it is no normaliser ({error})", "Copy it again") from error
        if not valid:
            rule = "it has not one mean and one positive deviation a field"
            raise ReadError(str(path), rule, "Copy it again")
        return found

    def _moments(self, like: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.tensor([self.mean, self.std], dtype=like.dtype, device=like.device)
        mean, std = both.view(2, -1, 1, 1, 1)
        return mean, std
