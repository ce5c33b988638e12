"""The loop: take simulations, cut samples from them, and draw samples from a cache."""

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

MOST_FAILURES = 100
"""Simulations in a row without a sample, after which the loop stops with an error."""

_COUNTS = ("simulated", "rejected", "samples", "drawn")


@final
@dataclass(frozen=True)
class Schedule:
    """How often samples are used.

    Args:
        capacity: samples in the cache, which is filled before the first draw.
        reuse: draws for each new sample, which is the mean number of uses.
        max_uses: largest number of uses of a sample.
    """

    capacity: int = 128
    reuse: int = 4
    max_uses: int = 16

    def __post_init__(self) -> None:
        if not 1 <= self.reuse <= self.max_uses:
            raise ValueError(
                f"reuse={self.reuse}, max_uses={self.max_uses}: the mean number of uses is at "
                "least 1 and at most the bound. Lower reuse or raise max_uses"
            )


@final
class OnlineLoop:
    """An endless stream of samples (1, side, side, side), simulated on demand.

    Args:
        source: the source of simulations.
        cropper: cuts samples from a simulation.
        schedule: how often samples are used.

    Attributes:
        simulated: number of simulations taken, including rejected ones.
        rejected: number of simulations that were not finite or out of bounds; they give no sample.
        samples: number of samples that were put into the cache.
        drawn: number of samples that were drawn from it.
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
        """Draw a sample, after adding new samples to the cache as the schedule requires.

        Raises:
            TrainingError: a worker stopped, or too many simulations in a row gave no sample.
        """
        starts = not self._running
        if starts:
            self.source.start(self.simulated)
            self._running = True
        needs_sample = self.cache.full and self.drawn % self.schedule.reuse == 0 and self.drawn > 0
        while needs_sample or not self.cache.full:
            self._put()
            needs_sample = False
        if starts:
            self._began, self._waited = perf_counter(), 0.0
        self.drawn += 1
        return self.cache.draw()

    def statistics(self) -> dict[str, float]:
        """Return counts, the mean number of uses, and the share of time spent waiting.

        `samples_per_simulated` is the number of draws over the number of new samples.
        `waiting_share` is measured from the first draw on, after the cache was filled.
        """
        elapsed = perf_counter() - self._began if self._running else 0.0
        return {
            **{name: float(getattr(self, name)) for name in _COUNTS},
            "samples_per_simulated": self.drawn / max(1, self.samples),
            "waiting_share": self._waited / elapsed if elapsed else 0.0,
        }

    def close(self) -> None:
        """Stop the workers; the next draw starts them again."""
        self.source.close()
        self._running = False

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the stream; it holds only numbers, which identify the simulations."""
        return {
            "counts": {name: getattr(self, name) for name in _COUNTS},
            "cache": [(*entry.key, entry.uses) for entry in self.cache.entries],
            "waiting": [key for key, _ in self._fifo],
            "generator": self.cache.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the state of a loop with the same options; its samples are simulated again.

        Args:
            state: the result of `state_dict`.
        """
        self.close()
        self._fifo.clear()
        for name, value in state["counts"].items():
            setattr(self, name, value)
        needed = {key[0] for key in (*state["cache"], *state["waiting"])}
        # A number determines its simulation, so a checkpoint need not hold any field.
        again = {index: self._make_sample(index) for index in sorted(needed)}
        self.cache.entries = [
            Entry((index, number), again[index][number], uses)
            for index, number, uses in state["cache"]
        ]
        self._fifo.extend(((i, number), again[i][number]) for i, number in state["waiting"])
        self.cache.generator.set_state(state["generator"])

    def _make_sample(self, index: int) -> list[Tensor]:
        simulator = self.source.simulator
        # Stream 1 of the number, as in `_take`: the same crops come out again.
        return self.cropper(simulator(index), simulator.generator(index, 1))

    def _put(self) -> None:
        failures = 0
        while not self._fifo:
            self._take()
            failures += 1
            if failures == MOST_FAILURES and not self._fifo:
                rule = "at least one must be finite and not constant"
                remedy = "Lower data.interval, raise data.substeps, or choose other equations"
                raise TrainingError(f"{failures} simulations in a row gave no sample", rule, remedy)
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
