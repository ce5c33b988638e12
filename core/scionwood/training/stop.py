"""Stop on a signal: record it, and stop at a point where an exact checkpoint can be written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, final

import lightning as L
import torch
import torch.distributed as dist
from torch import Tensor


@final
class DelayedMax:
    """The largest value over all processes of a number on the device of training.

    `put` starts the copy to the host and, with several processes, the reduction. `take` is called
    when the next number is there. The device has then computed the first one long ago, so that the
    queue of the device is never drained.
    """

    def __init__(self) -> None:
        self._value: Tensor | None = None
        self._wait: Callable[[], object] | None = None

    def put(self, value: Tensor) -> None:
        """Start to reduce and copy a number.

        Args:
            value: (), a real number that is not NaN. It is changed if there are several processes.
        """
        cuda = value.device.type == "cuda"
        self._wait = None
        if dist.is_available() and dist.is_initialized():
            work = dist.all_reduce(value, op=dist.ReduceOp.MAX, async_op=True)
            if cuda:
                work.wait()  # the stream waits, not this process
            else:
                self._wait = work.wait
        if cuda:
            host = torch.empty((), dtype=value.dtype, pin_memory=True)
            value = host.copy_(value, non_blocking=True)
            copied = torch.cuda.Event()
            copied.record()
            self._wait = copied.synchronize
        self._value = value

    def take(self) -> float:
        """Return the number of the last `put`, or 0 if it was taken already."""
        value, self._value = self._value, None
        if value is None:
            return 0.0
        if self._wait is not None:
            self._wait()
        return float(value)


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
