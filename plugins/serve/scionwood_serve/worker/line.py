"""Jobs that wait for the one thread that computes, and which of them go together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar, final

J = TypeVar("J")
Answer = dict[str, Any]
Waiting = tuple[J, "Future[Answer]"]


@final
class Line(Generic[J]):
    """Jobs in the order of their arrival; no job waits for company.

    When the thread becomes free it takes the first job, and with it the next ones of the same kind
    that wait already. So a server that is not busy computes each job alone.

    Args:
        work: does some jobs of one kind, and returns an answer for each.
        kind: of a job; jobs go together if their kinds are equal and not `None`.
        most: the most jobs that are done together; 1 does each alone.

    Example:
        >>> import asyncio
        >>> from scionwood_serve.worker.line import Line
        >>> def work(jobs: list[str]) -> list[dict[str, int]]:
        ...     return [{"of": len(jobs)} for _ in jobs]
        >>> line = Line(work, kind=lambda job: job, most=4)
        >>> asyncio.run(line.do("a"))
        {'of': 1}
    """

    def __init__(
        self,
        work: Callable[[list[J]], list[Answer]],
        kind: Callable[[J], Hashable | None],
        most: int = 8,
    ) -> None:
        self._work, self._kind, self._most = work, kind, most
        self._waiting: list[Waiting[J]] = []
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "compute")

    async def do(self, job: J) -> Answer:
        """Return the answer to a job, when its turn has come.

        Args:
            job: the job.
        """
        future: Future[Answer] = Future()
        with self._lock:
            self._waiting.append((job, future))
        self._thread.submit(self._next)
        return await asyncio.wrap_future(future)

    def _next(self) -> None:
        with self._lock:
            taken = self._take()
        taken = [each for each in taken if each[1].set_running_or_notify_cancel()]
        if not taken:  # an earlier turn has done it, or nobody waits for it any more
            return
        try:
            answers = self._work([job for job, _ in taken])
        except BaseException as error:
            for _, future in taken:
                future.set_exception(error)
            raise
        for (_, future), answer in zip(taken, answers, strict=True):
            future.set_result(answer)

    def _take(self) -> list[Waiting[J]]:
        """Remove the first job and those that go with it from the line."""
        if not self._waiting:
            return []
        first = self._waiting[0]
        kind = self._kind(first[0]) if self._most > 1 else None
        if kind is None:
            return [self._waiting.pop(0)]
        same = [each for each in self._waiting if self._kind(each[0]) == kind][: self._most]
        self._waiting = [each for each in self._waiting if each not in same]
        return same
