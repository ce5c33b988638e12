"""Work on records that a test may stop and resume."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scionwood import Record


class Halve:
    """Halve the samples; stop before a number of records."""

    identity: Mapping[str, object] = {"factor": 0.5}

    def __init__(self, stop: int = -1) -> None:
        self.stop, self.calls = stop, 0

    def __call__(self, record: Record) -> np.ndarray:
        if self.calls == self.stop:
            raise KeyboardInterrupt
        self.calls += 1
        return record.data / 2
