"""What a regime costs: CPU time, peak memory, and bytes on the wire."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from scionwood_federated.rules.pooled import Pooled
from scionwood_federated.update.record import Update


@dataclass
class Costs:
    """The costs of a regime, summed over its sites.

    Attributes:
        cpu: seconds of CPU.
        up: bytes from the sites.
        down: bytes to the sites.
        peak: the largest resident memory of this process so far, in MiB.
    """

    cpu: float = 0.0
    up: int = 0
    down: int = 0
    peak: float = 0.0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count time and memory inside the block."""
        begun = time.process_time()
        try:
            yield
        finally:
            self.cpu += time.process_time() - begun
            self.peak = _peak()


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
