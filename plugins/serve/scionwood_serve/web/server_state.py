"""The state of the HTTP process: it passes jobs to the worker, and switches versions."""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import litserve as ls
from fastapi import HTTPException
from litserve.server import RegularRequestHandler

from scionwood_serve.versions.problem import ServingError
from scionwood_serve.versions.registry import VersionRegistry
from scionwood_serve.versions.snapshot import Version, take_version
from scionwood_serve.web.counters import Counters
from scionwood_serve.web.inspection import check_signed, inspect_version
from scionwood_serve.web.limits import Limits
from scionwood_serve.web.quarantine import Quarantine
from scionwood_serve.web.results import Results
from scionwood_serve.web.uploads import Upload
from scionwood_serve.worker.engine import RUNNING, Engine, Job

ATTEMPTS = 3
"""How often a job is given to a worker, if workers die while it waits or beside it."""


class ServerState:
    """What the routes of a server share.

    Args:
        registry: the versions.
        limits: the limits.
        folder: the folder of requests, and of versions.
        server: the server of the worker.
    """

    def __init__(
        self, registry: VersionRegistry, limits: Limits, folder: Path, server: ls.LitServer
    ) -> None:
        self.registry, self.limits, self.server = registry, limits, server
        self.requests, self.held = folder / "requests", folder / "versions"
        self.engine: Engine = server.lit_api
        self.fields = sorted({field for version in registry.live() for field in version.fields})
        self.counters, self.results = Counters(), Results(*limits.kept)
        self.quarantine = Quarantine()
        self.under_way = 0
        self.arrived: list[Callable[[], None]] = []
        self._handler = RegularRequestHandler(self.engine, server)
        self._changing = asyncio.Lock()
        self._at_death: dict[Any, set[Path]] = {}

    def worker(self) -> int | None:
        """Return the process of the worker; `None` while it starts again."""
        process = self.server.inference_workers[0]
        return process.pid if process.is_alive() else None

    def is_ready(self) -> bool:
        """Return whether the worker is up, with its versions loaded."""
        states = [str(state) for state in self.server.workers_setup_status.values()]
        return self.worker() is not None and bool(states) and all("ready" in s for s in states)

    async def serve(
        self, service: str, version: Version, upload: Upload, options: dict[str, Any]
    ) -> dict[str, Any]:
        """Let the worker apply a version to a file.

        Args:
            service: the service, such as `seismic/denoise`.
            version: the version; it stays loaded meanwhile.
            upload: the file.
            options: the options.

        Returns:
            `file`, `page` and `values`; or `status` and `error`, if the service refused the file.

        Raises:
            ServingError: the worker died on it, now or earlier, or took too long.
        """
        job = Job("serve", service, version.version, upload.path, options=options)
        return await self.answer(version, job, upload.digest)

    async def answer(self, version: Version, job: Job, digest: str) -> dict[str, Any]:
        """Let the worker do a job with a version, which stays loaded meanwhile.

        Args:
            version: the version.
            job: the job.
            digest: the SHA-256 of its upload.

        Raises:
            ServingError: the worker died on it, now or earlier, or took too long.
        """
        self.quarantine.check(digest)
        with self.registry.using(version):
            answer = await self.ask(job, digest)
            if answer.get("status") == 410:  # the worker came back before the version went live
                await self.ask(Job("load", versions=(version,)))
                answer = await self.ask(job, digest)
        return answer

    async def ask(self, job: Job, digest: str = "") -> dict[str, Any]:
        """Give a job to the worker, and give it again if the worker dies for another reason.

        A worker dies on an upload if that was under way alone. If several were, each is given once
        more, with nothing beside it.

        Args:
            job: the job.
            digest: the SHA-256 of its upload.

        Raises:
            ServingError: the worker died on it, or each time, or took too long.
        """
        for _ in range(ATTEMPTS):
            if job.do == "serve":
                job = replace(job, out=Path(tempfile.mkdtemp(prefix="out", dir=job.source.parent)))
            process = await self._living()
            answer = await self._once(job, process, self.limits.timeout)
            if answer is not None:
                return answer
            suspects = set() if process.is_alive() else self._suspects(process)
            if job.source.parent in suspects:
                if len(suspects) == 1:
                    self.quarantine.add(digest, job.service, process.exitcode)
                    self.quarantine.check(digest)
                job = replace(job, single=True)
        rule = f"the worker died {ATTEMPTS} times before it was done"
        raise ServingError(f"request {job.service}", rule, "Send it again later, or report it", 503)

    async def _living(self) -> Any:
        """Return the process of the worker, when it has one."""
        while not (process := self.server.inference_workers[0]).is_alive():
            await asyncio.sleep(0.1)
        return process

    def _suspects(self, process: Any) -> set[Path]:
        """Return the folders of the requests that were under way when a worker died.

        All jobs of a worker get the same set, which is made when the first of them asks.
        """
        if process not in self._at_death:
            marks = self.requests.glob(f"*/{RUNNING}")
            process_marks = [mark for mark in marks if mark.read_text() == str(process.pid)]
            self._at_death[process] = {mark.parent for mark in process_marks}
        return self._at_death[process]

    async def ask_once(self, job: Job) -> dict[str, Any] | None:
        """Give a job to the worker without a limit of time; `None` if the worker died."""
        return await self._once(job, await self._living(), math.inf)

    async def _once(self, job: Job, process: Any, limit: float) -> dict[str, Any] | None:
        """Return the answer of the worker; `None` if the worker died."""
        task = asyncio.ensure_future(self._handler.handle_request(job, Job))
        waited = 0.0
        while not task.done():
            await asyncio.wait([task], timeout=0.25)
            waited += 0.25
            if self.server.inference_workers[0] is not process:  # it may have taken the job along
                break
            if waited > limit:
                task.cancel()
                rule = f"it took more than {limit:g} s"
                raise ServingError(f"request {job.service}", rule, "Send less at a time", 408)
        if not task.done():
            task.cancel()
            return None
        try:
            answer: dict[str, Any] = task.result()
        except HTTPException:  # our worker returns errors as values: it died
            return None
        return answer

    async def put(
        self,
        name: str,
        run: str | Path,
        *,
        anomalous: bool = False,
        signed_by: Path | None = None,
    ) -> dict[str, Any]:
        """Load a run beside the live version, inspect it, and switch.

        Args:
            name: the name of the adapter.
            run: the run folder.
            anomalous: whether it goes live although the audit calls it anomalous.
            signed_by: the public keys one of which must have signed it; `None` for anybody.

        Returns:
            What is live now, with the verdict of the inspection.

        Raises:
            ScionwoodError: the run is not accepted; the live version stays.
        """
        async with self._changing:
            check = partial(check_signed, keys=signed_by)
            version = await asyncio.to_thread(take_version, run, self.held, name, check)
            if not set(version.fields) & set(self.fields):
                rule = f"its task is {version.task}, and this server has {', '.join(self.fields)}"
                raise ServingError(f"adapter {name!r}", rule, "Start a server for its field")
            verdict = await asyncio.to_thread(inspect_version, version.folder, anomalous=anomalous)
            answer = await self.ask(Job("load", versions=(version,)))
            if "error" in answer:
                failure = answer["error"]
                raise ServingError(failure["value"], failure["rule"], failure["remedy"])
            self.registry.switch(version)
            gone = self.registry.surplus()
            self.engine.versions = self.registry.loaded()
            if gone:
                await self.ask(Job("drop", versions=tuple(gone)))
        self.counters.swaps.labels(name).inc()
        print(f"live: {name}@{version.version} ({verdict})", file=sys.stderr, flush=True)
        return version.facts() | {"inspection": verdict}
