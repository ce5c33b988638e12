"""Simulations on the workers of a cluster of `dask.distributed`, on this machine or on others."""

from __future__ import annotations

from collections import deque
from typing import Any, final

from scionwood import RecipeError, TrainingError
from scionwood_pde.online.simulator import Frames, Simulator
from scionwood_pde.online.source import Source

PATIENCE = 30.0
"""Seconds that the scheduler has to answer."""


@final
class Cluster(Source):
    """Simulations on the workers of a cluster, which run ahead up to a bound.

    Results are taken in the order of their numbers, so that the stream is that of one process.

    Args:
        simulator: a simulator on the CPU. The workers need this plugin.
        address: address of the scheduler, such as `tcp://host:8786`.
        depth: simulations that run or wait.
    """

    def __init__(self, simulator: Simulator, address: str, *, depth: int = 8) -> None:
        super().__init__(simulator)
        self.address, self.depth = address, depth
        self._client: Any = None
        self._ahead: deque[Any] = deque()

    def start(self, index: int) -> None:
        """See `Source.start`.

        Raises:
            RecipeError: the package `distributed` is missing, or no scheduler answers.
        """
        self.close()
        try:
            import distributed
        except ImportError as error:
            rule = "the package distributed, which reaches a cluster, is not installed"
            remedy = "pip install distributed filelock"
            raise RecipeError(f"cluster: {self.address}", rule, remedy) from error
        client: Any = distributed.Client
        try:
            self._client = client(self.address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            rule = "no scheduler answers there"
            remedy = "Start one with `dask scheduler`, or correct the address"
            raise RecipeError(f"cluster: {self.address}", rule, remedy) from error
        self._next = index
        for _ in range(self.depth):
            self._submit()

    def take(self) -> Frames:
        """See `Source.take`.

        Raises:
            TrainingError: the simulation failed, or the cluster stopped.
        """
        number, future = self._ahead.popleft()
        self._submit()
        try:
            frames = future.result()
        except Exception as error:  # of any kind; that of the worker, or of a lost connection
            rule = f"it failed with {type(error).__name__}: {error}"
            remedy = "Check the workers, and resume the run"
            raise TrainingError(f"simulation {number} on {self.address}", rule, remedy) from error
        assert isinstance(frames, Frames)
        return frames

    def close(self) -> None:
        """Leave the cluster; simulations that run there are dropped."""
        self._ahead.clear()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _submit(self) -> None:
        future = self._client.submit(self.simulator, self._next, pure=False)
        self._ahead.append((self._next, future))
        self._next += 1
