"""What a model of dynamics sees and predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

Axis = Literal["x", "y", "z"]


@final
@dataclass(frozen=True)
class Setting:
    """What a model of dynamics sees and predicts.

    Args:
        fields: number of fields of a state.
        dims: number of space dimensions.
        history: frames of the input, oldest first.
        conditions: names of the numbers that come with a state, such as `dt` or `viscosity`.
        solenoidal: positions of the fields that form a vector without divergence, one for each
            axis; empty if there are none.
        forced_axis: axis along which the flow is forced by a wave. `None` means no forcing.
        forced_mode: number of waves of the forcing along that axis.
        target: what the network predicts: the scaled `change` of a state, or the next `state`.
        longest: most frames that the network was tried with.

    Raises:
        ValueError: a number does not fit.
    """

    fields: int = 1
    dims: int = 3
    history: int = 1
    conditions: tuple[str, ...] = ()
    solenoidal: tuple[int, ...] = ()
    forced_axis: Axis | None = None
    forced_mode: int = 1
    target: Literal["change", "state"] = "change"
    longest: int = 4

    def __post_init__(self) -> None:
        if not 1 <= self.history <= self.longest:
            raise ValueError(f"history {self.history}: 1 to {self.longest} frames were tried")
        if self.dims not in (1, 2, 3):
            raise ValueError(f"dims {self.dims}: a state has 1, 2 or 3 dimensions. Choose one")
        if self.solenoidal and len(set(self.solenoidal)) != self.dims:
            raise ValueError(
                f"solenoidal {list(self.solenoidal)}: a vector has one field for each of "
                f"{self.dims} axes. Name their positions, such as [0, 1, 2]"
            )
        if any(not 0 <= i < self.fields for i in self.solenoidal):
            raise ValueError(
                f"solenoidal {list(self.solenoidal)}: a state has the fields 0 to "
                f"{self.fields - 1}. Raise `fields`, or correct the positions"
            )
        if self.forced_axis is not None and "xyz".index(self.forced_axis) >= self.dims:
            raise ValueError(f"forced_axis {self.forced_axis}: a state has {self.dims} axes")

    @property
    def extra(self) -> int:
        """Number of channels that the network sees beside the frames."""
        return len(self.conditions) + (0 if self.forced_axis is None else 2)

    @property
    def channels(self) -> int:
        """Number of channels that the network sees."""
        return self.history * self.fields + self.extra
