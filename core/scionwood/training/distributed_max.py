"""A number that all processes agree on, read one call later so that nothing waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

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
