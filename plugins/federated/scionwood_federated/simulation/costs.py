"""What a regime costs: CPU time, peak memory, bytes on the wire, and energy where it is counted."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from scionwood_federated.rules.pooled import Pooled
from scionwood_federated.update.record import Update

COUNTER = Path("/sys/class/powercap/intel-rapl:0/energy_uj")
"""The energy counter of Intel processors, which often only root may read."""


@dataclass
class Costs:
    """The costs of a regime, summed over its sites.

    Attributes:
        cpu: seconds of CPU.
        up: bytes from the sites.
        down: bytes to the sites.
        peak: the largest resident memory of this process so far, in MiB.
        joules: energy of the processor; `None` where no counter can be read.
    """

    cpu: float = 0.0
    up: int = 0
    down: int = 0
    peak: float = 0.0
    joules: float | None = None

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count time, memory and energy inside the block."""
        begun, energy = time.process_time(), _energy()
        try:
            yield
        finally:
            self.cpu += time.process_time() - begun
            self.peak = _peak()
            after = _energy()
            if energy is not None and after is not None:
                self.joules = (self.joules or 0.0) + max(after - energy, 0) / 1e6


def size_of(sent: Update | Pooled, held_factor: str = "") -> int:
    """Return the bytes of the tensors that travel; a factor that is held stays at home."""
    still = (f"lora_{held_factor}", f"lora_embedding_{held_factor}") if held_factor else ()
    moving = {k: v for k, v in sent.adapter.items() if not set(still) & set(k.split("."))}
    return _bytes(moving) + _bytes(sent.head)


def _bytes(tensors: Mapping[str, Tensor]) -> int:
    return sum(value.numel() * value.element_size() for value in tensors.values())


def _peak() -> float:
    """Return the largest resident memory of this process in MiB; NaN where nothing counts it."""
    if sys.platform == "win32":
        return float("nan")
    import resource

    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _energy() -> int | None:
    try:
        return int(COUNTER.read_text())
    except (OSError, ValueError):  # no counter, or not for this user: "not measured"
        return None
