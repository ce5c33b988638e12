"""Answers that are written token by token, several at a time, and followed while they grow."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, final

from scionwood import load
from scionwood_serve.versions.problem import ServingError

ANSWER = "answer.jsonl"
"""The file in the folder of a request to which the pieces of its answer are added."""

BATCHES, REQUEST = "_batches", "_request"
"""NAME_batches beside a service NAME makes what writes the answers of a run, or names one of those
that exist, which then writes those of several runs together. NAME_request makes a request."""


def writers_of(service: str) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
    """Return the functions by which a service writes token by token, if it does.

    Args:
        service: the service, such as `language/generate`.
    """
    function = load("services", service)
    module, name = sys.modules[function.__module__], function.__name__
    functions = getattr(module, name + BATCHES, None), getattr(module, name + REQUEST, None)
    return functions if all(functions) else None  # type: ignore[return-value]  # neither is None then


@final
class Writing:
    """A thread that writes the answers of all requests, one token of each after another.

    The answer of a request grows in a file of its folder, which the HTTP process follows.

    Args:
        lend: lends the run of a version, as `Holding.lent`.
        running: the name of the file that says which process works for a request.
    """

    def __init__(self, lend: Callable[[str], Any], running: str) -> None:
        self._lend, self._running = lend, running
        self._batchers: dict[str, Any] = {}
        self._new: list[tuple[Any, Future[dict[str, Any]]]] = []
        self._under_way: dict[Future[dict[str, Any]], tuple[Any, Path]] = {}
        self._changed = threading.Condition()
        self._models = threading.Lock()  # a batch takes an adapter between two tokens only
        threading.Thread(target=self._go_on, name="write", daemon=True).start()

    async def write(self, job: Any) -> dict[str, Any]:
        """Write the answer of a job; return when it is whole.

        Args:
            job: its source is the request in JSON.
        """
        future: Future[dict[str, Any]] = Future()
        with self._changed:
            self._new.append((job, future))
            self._changed.notify()
        return await asyncio.wrap_future(future)

    def batcher(self, version: str, service: str) -> Any:
        """Return what writes the answers of a version.

        Args:
            version: the hash of the version.
            service: the service.

        Raises:
            ScionwoodError: the run has no model that writes.
        """
        if version not in self._batchers:
            functions = writers_of(service)
            assert functions is not None
            with self._models, self._lend(version) as run:
                others = list(dict.fromkeys(self._batchers.values()))
                self._batchers[version] = functions[0](run, version, others)
        return self._batchers[version]

    def drop(self, versions: list[str]) -> None:
        """Forget versions that nobody uses.

        Args:
            versions: their hashes.
        """
        for version in versions:
            self._batchers.pop(version, None)

    def _go_on(self) -> None:
        while True:
            batchers = dict.fromkeys(self._batchers.values())  # each once, in order
            busy = [batcher for batcher in batchers if batcher.is_busy]
            with self._changed:
                while not (self._new or busy):
                    self._changed.wait()
                new, self._new = self._new, []
            for job, future in new:
                self._try([future], partial(self._begin, job, future))
            for batcher in busy:
                futures = [f for f, (owner, _) in self._under_way.items() if owner is batcher]
                with self._models:
                    self._try(futures, batcher.step)

    def _try(self, futures: list[Future[dict[str, Any]]], work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # whatever a model raises belongs to its own requests
            for future in futures:
                self._done(future, error)

    def _begin(self, job: Any, future: Future[dict[str, Any]]) -> None:
        folder = job.source.parent
        if (folder / ANSWER).exists():
            rule = "a worker died while it wrote the answer"
            raise ServingError("request", rule, "Send it again", 503)
        (folder / self._running).write_text(str(os.getpid()))
        batcher = self.batcher(job.version, job.service)
        functions = writers_of(job.service)
        assert functions is not None
        file = (folder / ANSWER).open("w", encoding="utf-8")

        def tell(piece: dict[str, Any]) -> None:
            file.write(json.dumps(piece) + "\n")
            file.flush()
            if "finish" in piece:
                file.close()
                self._done(future)

        def is_gone() -> bool:
            return not job.source.exists()

        try:
            body = json.loads(job.source.read_text("utf-8"))
            # Nobody waits for an answer any more whose request the HTTP process has removed.
            batcher.add(functions[1](batcher, body, tell, is_gone, job.version))
        except Exception:
            file.close()
            raise
        self._under_way[future] = (batcher, folder)

    def _done(self, future: Future[dict[str, Any]], error: Exception | None = None) -> None:
        _, folder = self._under_way.pop(future, (None, None))
        if folder is not None:
            with suppress(OSError):
                (folder / self._running).unlink(missing_ok=True)
        if future.done():
            return
        if error is None:
            future.set_result({})
        else:
            future.set_exception(error)
