"""Where simulations come from: made here when they are asked for, or on a side stream ahead."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch

from scionwood_pde.online.simulator import Frames, Simulator


class Source(ABC):
    """Simulations in the order of their numbers.

    Args:
        simulator: what runs them; it gives any of them again when asked.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    @abstractmethod
    def start(self, index: int) -> None:
        """Begin, or begin again, with a simulation's number."""

    @abstractmethod
    def take(self) -> Frames:
        """The next simulation, waiting for it where it is not ready."""

    @abstractmethod
    def close(self) -> None:
        """Give back what the source holds; `start` takes it up again."""


@final
class Here(Source):
    """Simulations of this process, each when it is taken: the trainer waits for all of it."""

    def start(self, index: int) -> None:
        """See `Source.start`."""
        self._next = index

    def take(self) -> Frames:
        """See `Source.take`."""
        frames = self.simulator(self._next)
        self._next += 1
        return frames

    def close(self) -> None:
        """Nothing is held."""


@final
class SideStream(Source):
    """Simulations on a CUDA stream of their own, one ahead of the training on the main stream.

    The launches cost the training process time, the solver's kernels run beside the network's
    where the GPU has room.

    Args:
        simulator: with a CUDA device.
    """

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self._stream: torch.cuda.Stream | None = None
        self._ahead: Frames | None = None

    def start(self, index: int) -> None:
        """See `Source.start`."""
        self._stream = torch.cuda.Stream(self.simulator.device)  # type: ignore[no-untyped-call]  # untyped in torch
        self._next = index
        self._ahead = self._launch()

    def take(self) -> Frames:
        """See `Source.take`; the main stream waits for the frames, the host does not."""
        frames, main = self._ahead, torch.cuda.current_stream(self.simulator.device)
        assert self._stream is not None, "start comes first"
        assert frames is not None, "start comes first"
        main.wait_stream(self._stream)
        for tensor in (frames.fields, frames.valid):
            tensor.record_stream(main)
        self._ahead = self._launch()
        return frames

    def close(self) -> None:
        """Forget the simulation that is ahead."""
        self._ahead = None

    def _launch(self) -> Frames:
        with torch.cuda.stream(self._stream):
            frames = self.simulator(self._next)
        self._next += 1
        return frames
