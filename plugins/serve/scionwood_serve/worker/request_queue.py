"""Jobs that wait for the thread that computes, and which of them go together."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, final

J = TypeVar("J")
Answer = dict[str, Any]

PATIENCE = 2.0
"""Seconds after which a job no longer holds up those behind it."""


@dataclass(eq=False)
class _Waiting(Generic[J]):
    job: J
    alone: bool = False
    """Whether it goes without company, since it failed in company."""
    future: Future[Answer] = field(default_factory=Future)


@final
class RequestQueue(Generic[J]):
    """Jobs in the order of their arrival; no job waits for company.

    One job is done at a time. A job that takes longer than `patience`, because its file is large or
    hangs in its decoder, holds up nobody: the next one starts beside it, in a thread of its own.

    When a job may start, the first one is taken, and with it the next ones of the same kind that
    wait already. So a server that is not busy computes each job alone. If they fail together, each
    is done again without the others.

    Args:
        work: does some jobs of one kind, and returns an answer for each.
        kind: of a job; jobs go together if their kinds are equal and not `None`.
        most: the most jobs that are done together; 1 does each alone.
        beside: the most jobs, or companies of jobs, that are under way at a time.
        patience: seconds after which a job no longer holds up those behind it.
        single: whether nothing else may be under way while a job is.

    Example:
        >>> import asyncio
        >>> from scionwood_serve.worker.request_queue import RequestQueue
        >>> def work(jobs: list[str]) -> list[dict[str, int]]:
        ...     return [{"of": len(jobs)} for _ in jobs]
        >>> queue = RequestQueue(work, kind=lambda job: job, most=4)
        >>> asyncio.run(queue.do("a"))
        {'of': 1}
    """

    def __init__(
        self,
        work: Callable[[list[J]], list[Answer]],
        kind: Callable[[J], Hashable | None],
        most: int = 8,
        *,
        beside: int = 4,
        patience: float = PATIENCE,
        single: Callable[[J], bool] = lambda job: False,
    ) -> None:
        self._work, self._kind, self._most = work, kind, most
        self._patience, self._single = patience, single
        self._waiting: list[_Waiting[J]] = []
        self._under_way: dict[_Waiting[J], float] = {}  # the first of each company, and its start
        self._changed = threading.Condition()
        self._threads = ThreadPoolExecutor(max(1, beside), "compute")

    async def do(self, job: J) -> Answer:
        """Return the answer to a job, when its turn has come.

        Args:
            job: the job.
        """
        entry = _Waiting(job)
        self._add([entry])
        return await asyncio.wrap_future(entry.future)

    def _add(self, entries: list[_Waiting[J]]) -> None:
        with self._changed:
            self._waiting += entries
        for _ in entries:
            self._threads.submit(self._next)

    def _next(self) -> None:
        with self._changed:
            while (seconds := self._must_wait()) > 0:
                self._changed.wait(seconds)
            entries = [entry for entry in self._take() if _starts(entry)]
            if not entries:  # an earlier turn has done it, or nobody waits for it any more
                return
            self._under_way[entries[0]] = time.monotonic()
        try:
            self._do(entries)
        finally:
            with self._changed:
                del self._under_way[entries[0]]
                self._changed.notify_all()

    def _must_wait(self) -> float:
        """Return for how many seconds the first job may not start; 0 if it may."""
        if not self._waiting or not self._under_way:
            return 0.0
        if any(self._single(entry.job) for entry in [*self._under_way, self._waiting[0]]):
            return 1.0  # and it is woken by each end
        return max(self._under_way.values()) + self._patience - time.monotonic()

    def _do(self, entries: list[_Waiting[J]]) -> None:
        try:
            answers = self._work([entry.job for entry in entries])
        except BaseException as error:
            if len(entries) == 1:
                entries[0].future.set_exception(error)
                return
            self._add([_Waiting(entry.job, True, entry.future) for entry in entries])
            return
        for entry, answer in zip(entries, answers, strict=True):
            entry.future.set_result(answer)

    def _take(self) -> list[_Waiting[J]]:
        """Remove the first job and those that go with it from the queue."""
        if not self._waiting:
            return []
        first = self._waiting[0]
        kind = None if self._most <= 1 or first.alone else self._kind(first.job)
        if kind is None:
            return [self._waiting.pop(0)]
        same = [
            entry for entry in self._waiting if not entry.alone and self._kind(entry.job) == kind
        ]
        same = same[: self._most]
        self._waiting = [entry for entry in self._waiting if entry not in same]
        return same


def _starts(entry: _Waiting[Any]) -> bool:
    """Return whether somebody waits for a job still; then it can no longer be cancelled."""
    return entry.future.running() or entry.future.set_running_or_notify_cancel()
