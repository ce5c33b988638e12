"""The loop: takes simulations, makes samples of them, and draws from those that it keeps."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from time import perf_counter
from typing import Any, final

from torch import Tensor

from scionwood import TrainingError
from scionwood_pde.online.preprocess import Cropper
from scionwood_pde.online.reservoir import Entry, Key, ReuseCache
from scionwood_pde.online.source import Source

IN_VAIN = 100
"""Simulations in a row that give no sample, after which the loop gives up."""

_COUNTS = ("simulated", "rejected", "samples", "drawn")


@final
@dataclass(frozen=True)
class Schedule:
    """How much a sample is used.

    Args:
        capacity: samples in the cache; it is filled before the first draw.
        reuse: draws for each new sample, and so the mean number of uses.
        max_uses: of one sample, at the most.
    """

    capacity: int = 128
    reuse: int = 4
    max_uses: int = 16

    def __post_init__(self) -> None:
        if not 1 <= self.reuse <= self.max_uses:
            raise ValueError(
                f"reuse={self.reuse}, max_uses={self.max_uses}: the mean number of uses is at "
                "least 1 and no more than the bound. Lower reuse or raise max_uses"
            )


@final
class OnlineLoop:
    """An endless stream of samples (1, side, side, side), simulated as they are needed.

    Args:
        source: of simulations.
        cropper: makes samples of a simulation.
        schedule: how much a sample is used.

    Attributes:
        simulated: simulations taken, rejected ones among them.
        rejected: simulations that were not finite or out of bounds; none of it is drawn.
        samples: samples that went into the cache.
        drawn: samples that came out of it.
    """

    def __init__(self, source: Source, cropper: Cropper, schedule: Schedule) -> None:
        self.source, self.cropper, self.schedule = source, cropper, schedule
        generator = source.simulator.generator(0, 2)
        self.cache = ReuseCache(schedule.capacity, schedule.max_uses, generator)
        self.simulated = self.rejected = self.samples = self.drawn = 0
        self._fifo: deque[tuple[Key, Tensor]] = deque()
        self._running, self._began, self._waited = False, 0.0, 0.0

    def __iter__(self) -> OnlineLoop:
        return self

    def __next__(self) -> Tensor:
        return self.draw().sample

    def draw(self) -> Entry:
        """Draw a sample, after the cache has been given what the schedule says.

        Raises:
            TrainingError: a worker ended, or the equations give nothing but rejected simulations.
        """
        starts = not self._running
        if starts:
            self.source.start(self.simulated)
            self._running = True
        fresh = self.cache.full and self.drawn % self.schedule.reuse == 0 and self.drawn > 0
        while fresh or not self.cache.full:
            self._put()
            fresh = False
        if starts:
            self._began, self._waited = perf_counter(), 0.0
        self.drawn += 1
        return self.cache.draw()

    def statistics(self) -> dict[str, float]:
        """Counts, the ratio of training to simulation, and the share of the time spent waiting.

        `samples_per_simulated` is draws over new samples: how often a sample is used.
        `waiting_share` counts from the first draw on; filling the cache before it is left out.
        """
        elapsed = perf_counter() - self._began if self._running else 0.0
        return {
            **{name: float(getattr(self, name)) for name in _COUNTS},
            "samples_per_simulated": self.drawn / max(1, self.samples),
            "waiting_share": self._waited / elapsed if elapsed else 0.0,
        }

    def close(self) -> None:
        """End the workers; the next draw starts them again."""
        self.source.close()
        self._running = False

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is: numbers alone, since a simulation's number is all that it needs."""
        return {
            "counts": {name: getattr(self, name) for name in _COUNTS},
            "cache": [(*entry.key, entry.uses) for entry in self.cache.entries],
            "waiting": [key for key, _ in self._fifo],
            "generator": self.cache.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another loop with the same options was: what it held is simulated again.

        Args:
            state: of `state_dict`.
        """
        self.close()
        self._fifo.clear()
        for name, value in state["counts"].items():
            setattr(self, name, value)
        needed = {key[0] for key in (*state["cache"], *state["waiting"])}
        again = {index: self._made(index) for index in sorted(needed)}
        self.cache.entries = [
            Entry((index, number), again[index][number], uses)
            for index, number, uses in state["cache"]
        ]
        self._fifo.extend(((i, number), again[i][number]) for i, number in state["waiting"])
        self.cache.generator.set_state(state["generator"])

    def _made(self, index: int) -> list[Tensor]:
        simulator = self.source.simulator
        return self.cropper(simulator(index), simulator.generator(index, 1))

    def _put(self) -> None:
        vain = 0
        while not self._fifo:
            self._take()
            vain += 1
            if vain == IN_VAIN and not self._fifo:
                rule = "one of them at least must be finite and not flat"
                remedy = "Lower data.interval, raise data.substeps, or take other equations"
                raise TrainingError(f"{vain} simulations in a row gave no sample", rule, remedy)
        self.cache.put(*self._fifo.popleft())
        self.samples += 1

    def _take(self) -> None:
        start = perf_counter()
        frames = self.source.take()
        valid = bool(frames.valid)
        self._waited += perf_counter() - start
        self.simulated += 1
        if not valid:
            self.rejected += 1
            return
        cubes = self.cropper(frames, self.source.simulator.generator(frames.index, 1))
        self._fifo.extend(((frames.index, number), cube) for number, cube in enumerate(cubes))
