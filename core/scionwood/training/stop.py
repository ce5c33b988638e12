"""Stop on a signal: record it, and stop at a point where an exact checkpoint can be written."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, final

import lightning as L
import torch

from scionwood.training.distributed_max import DelayedMax

NUMBERS = tuple(
    number
    for number in signal.Signals
    if number.name in {"SIGTERM", "SIGINT", "SIGUSR1"}  # Windows has no SIGUSR1
)


@final
class StopSignals:
    """Handlers with which SIGTERM, SIGUSR1 and Ctrl-C ask training to save and stop.

    SLURM can send SIGUSR1 some time before it ends a job. A second signal stops at once.

    Attributes:
        received: the signal that asks to stop, or `None`.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._signal = DelayedMax()

    def install(self) -> None:
        """Install the handlers; Lightning's own would stop where a resume is not exact."""
        self.received = None
        if threading.current_thread() is not threading.main_thread():
            return
        for number in NUMBERS:
            self._before[number] = signal.signal(number, self._note)

    def restore(self) -> None:
        """Put the previous handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def is_requested(self, trainer: L.Trainer) -> bool:
        """Return whether any of the processes that train together was asked to stop.

        All of them then have received the same signal, so that all exit with the same code. With
        several processes the answer is that of the previous call, so that no step waits for it.
        """
        if trainer.world_size > 1:
            earlier = int(self._signal.take())
            self._signal.put(
                torch.tensor(float(self.received or 0), device=trainer.strategy.root_device)
            )
            if not earlier:
                return False
            self.received = signal.Signals(earlier)
        return self.received is not None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            self.restore()
            signal.raise_signal(number)
        self.received = signal.Signals(number)
