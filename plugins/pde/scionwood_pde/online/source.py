"""Sources of simulations: this process on demand, or a side stream one simulation ahead."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch

from scionwood_pde.online.simulator import Frames, Simulator


class Source(ABC):
    """A source of simulations in the order of their numbers.

    Args:
        simulator: runs the simulations; it can repeat each of them.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    @abstractmethod
    def start(self, index: int) -> None:
        """Start, or start again, with the number of a simulation."""

    @abstractmethod
    def take(self) -> Frames:
        """Return the next simulation; wait until it is ready."""

    @abstractmethod
    def close(self) -> None:
        """Release the resources of the source; `start` acquires them again."""


@final
class InProcessSource(Source):
    """Simulations in this process on demand; the training waits for each of them."""

    def start(self, index: int) -> None:
        """See `Source.start`."""
        self._next = index

    def take(self) -> Frames:
        """See `Source.take`."""
        frames = self.simulator(self._next)
        self._next += 1
        return frames

    def close(self) -> None:
        """Do nothing, since there are no resources."""


@final
class SideStream(Source):
    """Simulations on their own CUDA stream, one ahead of the training on the main stream.

    The training process spends time on the kernel launches. The solver's kernels run concurrently
    with the network's if the GPU has capacity left.

    Args:
        simulator: a simulator with a CUDA device.
    """

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self._stream: torch.cuda.Stream | None = None
        self._ahead: Frames | None = None

    def start(self, index: int) -> None:
        """See `Source.start`."""
        self._stream = torch.cuda.Stream(self.simulator.device)
        self._next = index
        self._ahead = self._launch()

    def take(self) -> Frames:
        """See `Source.take`; the main stream waits for the frames, but the host does not."""
        frames, main = self._ahead, torch.cuda.current_stream(self.simulator.device)
        assert self._stream is not None, "call start first"
        assert frames is not None, "call start first"
        main.wait_stream(self._stream)
        for tensor in (frames.fields, frames.valid):
            # Else the allocator could give their memory to the next simulation while the network
            # reads it.
            tensor.record_stream(main)
        self._ahead = self._launch()
        return frames

    def close(self) -> None:
        """Drop the simulation that is ahead."""
        self._ahead = None

    def _launch(self) -> Frames:
        with torch.cuda.stream(self._stream):
            frames = self.simulator(self._next)
        self._next += 1
        return frames
