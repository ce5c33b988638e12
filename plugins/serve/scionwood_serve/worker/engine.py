"""The worker process: loads versions, and applies them to the files of requests."""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import litserve as ls

from scionwood import ScionwoodError, Served, load, pack
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.versions.snapshot import Version

UNEXPECTED = "an error that it does not know"


@dataclass(frozen=True)
class Job:
    """What the HTTP process asks of the worker.

    Attributes:
        do: `serve`, `load` or `drop`.
        service: for `serve`, the service, such as `seismic/denoise`.
        version: for `serve`, the hash of the version.
        source: for `serve`, the file of the request.
        out: for `serve`, an empty folder.
        options: for `serve`, the checked options.
        versions: for `load`, what to load; for `drop`, what to forget.
    """

    do: str
    service: str = ""
    version: str = ""
    source: Path = Path()
    out: Path = Path()
    options: dict[str, Any] = field(default_factory=dict)
    versions: tuple[Version, ...] = ()


class Engine(ls.LitAPI):  # type: ignore[misc]  # LitServe is not typed
    """One worker of LitServe: one request computes at a time, and versions load beside it.

    An answer equals that of the command bit for bit, since nothing is batched across requests.

    Args:
        versions: what a worker loads when it starts; the HTTP process keeps it up to date, so that
            a worker that was killed comes back with the same versions.
        device: where the models compute.
        threads: threads of torch; 0 leaves the default.
    """

    def __init__(self, versions: list[Version], device: str = "cpu", threads: int = 0) -> None:
        super().__init__(api_path="/job", enable_async=True)
        self.versions, self.where, self.threads = versions, device, threads

    def setup(self, device: str) -> None:
        """Load all versions; LitServe calls it once in each worker process."""
        del device  # LitServe's choice; ours is `where`
        for number in (signal.SIGINT, signal.SIGTERM):  # they go to all; the parent ends us
            signal.signal(number, signal.SIG_IGN)
        _die_with_parent()
        os.environ.setdefault("SCIONWOOD_READERS", "service")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # services print for people
        import torch

        from scionwood_serve.worker.holding import Holding

        if self.threads:
            torch.set_num_threads(self.threads)
        self.held = Holding(self.where)
        for version in self.versions:
            self.held.load(version)
        self.computing = ThreadPoolExecutor(1, "compute")
        self.loading = ThreadPoolExecutor(1, "load")

    async def decode_request(self, request):  # type: ignore[no-untyped-def]  # LitServe reads types
        """Return the job; the HTTP process has decoded the request."""
        return request

    async def predict(self, job: Job) -> dict[str, Any]:
        """Do a job, in the order of arrival; errors become values."""
        loop = asyncio.get_running_loop()
        pool, work = (
            (self.computing, self._serve) if job.do == "serve" else (self.loading, self._load)
        )
        answer: dict[str, Any] = await loop.run_in_executor(pool, partial(_caught, work, job))
        return answer

    async def encode_response(self, output):  # type: ignore[no-untyped-def]
        """Return the answer for the HTTP process."""
        return output

    def _load(self, job: Job) -> dict[str, Any]:
        if job.do == "drop":
            self.held.drop([version.version for version in job.versions])
        else:
            for version in job.versions:
                self.held.load(version)
        return {}

    def _serve(self, job: Job) -> dict[str, Any]:
        function = load("services", job.service)
        job.out.mkdir(exist_ok=True)
        with self.held.lent(job.version) as run:
            if "seed" in inspect.signature(function).parameters:
                with self.held.random:
                    return _packed(function(run, job.source, job.out, **job.options), job.out)
            return _packed(function(run, job.source, job.out, **job.options), job.out)


def _die_with_parent() -> None:
    """Ask Linux to kill this process if its parent is killed; elsewhere it may be left over."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _packed(served: Served, out: Path) -> dict[str, Any]:
    """Return plain values; a folder becomes a zip archive."""
    file = served.file
    if file is not None and file.is_dir():
        archive = out / f"{file.name}.zip"
        pack(file, archive)
        shutil.rmtree(file)
        file = archive
    return {"file": file, "page": served.page, "values": dict(served.values)}


def _caught(work: Callable[[Job], dict[str, Any]], job: Job) -> dict[str, Any]:
    """Do a job, and return its error as a value, without the folders of the server."""
    try:
        return work(job)
    except ScionwoodError as error:
        status = error.status if isinstance(error, ServingError) else _status(error)
        told = {"kind": type(error).__name__, "value": error.value, "rule": error.rule}
        return {"status": status, "error": _hidden({**told, "remedy": error.remedy}, job)}
    except Exception as error:  # a service may fail in any way, and the worker lives on
        import logging

        logging.getLogger("scionwood_serve").exception("service %s", job.service)
        told = {"kind": type(error).__name__, "value": job.source.name, "rule": UNEXPECTED}
        remedy = "Report it with the file, if you may; the log of the server has the details"
        return {"status": 500, "error": {**told, "remedy": remedy}}


def _status(error: ScionwoodError) -> int:
    cause = error.__cause__
    full = isinstance(cause, OSError) and cause.errno in (28, 122)  # ENOSPC, EDQUOT
    return 507 if full else 422


def _hidden(told: dict[str, str], job: Job) -> dict[str, str]:
    """Take the places of the server out of a message; names of files stay."""
    folders = [version.folder.parent for version in job.versions]
    folders += [job.source.parent, job.out, job.source.parent.parent.with_name("versions")]
    for folder in sorted(map(str, folders), key=len, reverse=True):
        if Path(folder).is_absolute():
            told = {key: text.replace(f"{folder}/", "") for key, text in told.items()}
    return told
