"""One result of a behaviour probe: a measured number beside the limits that a field has set."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class ProbeResult:
    """What a model did with an input whose right answer is known beforehand.

    A field's function `(task, folder) -> list[ProbeResult]` runs its probes on a trained task. The
    record of the plugin names it under `probes`, by the name of the task or of the data.

    Attributes:
        name: what was tried, such as `zero travel`.
        value: the measured number.
        unit: its unit, such as `mm`; empty for a share or a ratio.
        most: the largest value that is as it should be.
        least: the smallest value that is as it should be.
        reason: why the limits are what they are, in one sentence.

    Example:
        >>> why = "nothing moves it"
        >>> probe = authoring.ProbeResult("zero travel", 0.2, "mm", most=0.1, reason=why)
        >>> probe.passed
        False
    """

    name: str
    value: float
    unit: str = ""
    most: float = math.inf
    least: float = -math.inf
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Return whether the value lies within the limits; a value that is no number does not."""
        return self.least <= self.value <= self.most

    @property
    def limits(self) -> str:
        """Return the limits as text, such as `at most 0.1`."""
        low = f"at least {self.least:g}" if math.isfinite(self.least) else ""
        high = f"at most {self.most:g}" if math.isfinite(self.most) else ""
        return " and ".join(filter(None, (low, high)))
