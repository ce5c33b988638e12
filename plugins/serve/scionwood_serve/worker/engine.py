"""The worker process: loads versions, and applies them to the files of requests."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import litserve as ls

from scionwood import ScionwoodError, find, load
from scionwood.authoring import LoadedRun, Served, command_words, pack, with_options_classes
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.versions.snapshot import Version
from scionwood_serve.worker.options import EngineOptions
from scionwood_serve.worker.request_queue import RequestQueue
from scionwood_serve.worker.writing import Writing, writers_of

MANY = "_many"
"""The function NAME_many beside a service NAME applies it to several files in one pass."""

RUNNING = ".running"
"""A file in the folder of a request whose job is under way, with the number of the process. No
upload has a name like this."""

UNEXPECTED = "an error that it does not know"


@dataclass(frozen=True)
class Job:
    """What the HTTP process asks of the worker.

    Attributes:
        do: `serve`, `write`, `load`, `drop` or `train`.
        service: for `serve` and `write`, the service, such as `seismic/denoise`.
        version: for `serve` and `write`, the hash of the version.
        source: for `serve` and `write`, the file of the request; for `train`, the file that is
            there while it may go on.
        out: for `serve` and `train`, an empty folder.
        options: for `serve`, the checked options; for `train`, the recipe.
        versions: for `load`, what to load; for `drop`, what to forget; for `train`, its start.
        single: whether nothing else is under way meanwhile: a worker died on it and on others.
    """

    do: str
    service: str = ""
    version: str = ""
    source: Path = Path()
    out: Path = Path()
    options: dict[str, Any] = field(default_factory=dict)
    versions: tuple[Version, ...] = ()
    single: bool = False


class Engine(ls.LitAPI):  # type: ignore[misc]  # LitServe is not typed
    """One worker of LitServe: one job computes, and versions load beside it.

    Files are decoded in children of the reader service, apart from the models. A job that takes
    long, because its decoder hangs or its file is large, does not hold up the others.

    An answer equals that of the command bit for bit, unless a field can do several requests
    together and several wait. Those have the same service, version and options.

    Args:
        versions: what a worker loads when it starts; the HTTP process keeps it up to date, so that
            a worker that was killed comes back with the same versions.
        options: where the models compute, and how many requests at a time.
    """

    def __init__(self, versions: list[Version], options: EngineOptions = EngineOptions()) -> None:
        super().__init__(api_path="/job", enable_async=True)
        self.versions, self.options = versions, options

    def setup(self, device: str) -> None:
        """Load all versions; LitServe calls it once in each worker process."""
        del device  # LitServe's choice; ours is in the options
        for number in (signal.SIGINT, signal.SIGTERM):  # they go to all; the parent ends us
            signal.signal(number, signal.SIG_IGN)
        _die_with_parent()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # services print for people
        import torch

        from scionwood_serve.shadow.training import Gate
        from scionwood_serve.worker.holding import Holding

        options = self.options
        if options.threads:
            torch.set_num_threads(options.threads)
        self.held, self.gate = Holding(options.device), Gate(Path(os.devnull))
        self.writing = Writing(self.held.lent, RUNNING)
        for version in self.versions:
            try:
                self._hold(version)
            except ScionwoodError as error:  # LitServe says only that the worker did not start
                print(f"scionwood: {version.name}: {error}", file=sys.stderr, flush=True)
                raise
        self.queue = RequestQueue(
            self._serve_all,
            _kind,
            options.together,
            beside=options.beside,
            single=lambda job: job.single,
        )
        self.loading = ThreadPoolExecutor(1, "load")
        self.training = ThreadPoolExecutor(1, "train")

    async def decode_request(self, request):  # type: ignore[no-untyped-def]  # LitServe reads types
        """Return the job; the HTTP process has decoded the request."""
        return request

    async def predict(self, job: Job) -> dict[str, Any]:
        """Do a job, in the order of arrival; errors become values."""
        if job.do == "serve":
            return await self.queue.do(job)
        if job.do == "write":
            try:
                return await self.writing.write(job)
            except Exception as error:
                return _as_value(error, job)
        loop, train = asyncio.get_running_loop(), job.do == "train"
        work = partial(_caught, self._train if train else self._load, job)
        thread = self.training if train else self.loading
        answer: dict[str, Any] = await loop.run_in_executor(thread, work)
        return answer

    async def encode_response(self, output):  # type: ignore[no-untyped-def]
        """Return the answer for the HTTP process."""
        return output

    def _load(self, job: Job) -> dict[str, Any]:
        if job.do == "drop":
            gone = [version.version for version in job.versions]
            self.writing.drop(gone)
            self.held.drop(gone)
        else:
            for version in job.versions:
                self._hold(version)
        return {}

    def _train(self, job: Job) -> dict[str, Any]:
        from scionwood_serve.shadow.training import continue_training

        self.gate.flag = job.source
        start, recipe = job.versions[0].folder, job.options["recipe"]
        return {**continue_training(start, recipe, job.out, self.held, self.gate)}

    def _hold(self, version: Version) -> None:
        """Load a version; one that no service can use is refused.

        Raises:
            ScionwoodError: the run is damaged, its base is not here, or nothing can use it.
        """
        with self.gate.held(wait=True):
            self.held.load(version)
        names = services_of(version)
        writers = [name for name in names if writers_of(name) is not None]
        if len(writers) == len(names):
            for name in writers:
                self.writing.batcher(version.version, name)

    def _serve_all(self, jobs: list[Job]) -> list[dict[str, Any]]:
        """Do jobs of one kind; if several fail, the queue gives each alone, as one file may be bad.

        Their folders say meanwhile that they are under way: if this process dies, one of them is
        the reason.
        """
        for job in jobs:
            with suppress(FileNotFoundError):  # nobody waits for it any more
                (job.source.parent / RUNNING).write_text(str(os.getpid()))
        try:
            if len(jobs) == 1:
                return [_caught(self._serve, jobs[0])]
            return self._serve_many(jobs)
        except Exception:
            for job in jobs:
                shutil.rmtree(job.out, ignore_errors=True)
            raise
        finally:
            for job in jobs:
                (job.source.parent / RUNNING).unlink(missing_ok=True)

    def _serve_many(self, jobs: list[Job]) -> list[dict[str, Any]]:
        function = many_of(jobs[0].service)
        assert function is not None
        with self._lend(jobs[0]) as run:
            sources, outs = [job.source for job in jobs], [_empty(job.out) for job in jobs]
            answers = function(
                run, sources, outs, **with_options_classes(function, jobs[0].options)
            )
        pairs = zip(answers, outs, strict=True)
        return [{**_packed(served, out), "together": len(jobs)} for served, out in pairs]

    def _serve(self, job: Job) -> dict[str, Any]:
        with self._lend(job) as run:
            function = load("services", job.service)
            options = with_options_classes(function, job.options)
            return _packed(function(run, job.source, _empty(job.out), **options), job.out)

    @contextmanager
    def _lend(self, job: Job) -> Iterator[LoadedRun]:
        """Lend the version of a job; a service with a seed has the random numbers for itself."""
        draws = "seed" in command_words(load("services", job.service))
        drawing = self.held.random if draws else nullcontext()
        with self.gate.held(wait=draws), self.held.lent(job.version) as run, drawing:
            yield run


def many_of(service: str) -> Callable[..., list[Served]] | None:
    """Return the function that applies a service to several files in one pass, if a field has one.

    Args:
        service: the service, such as `bangla/generate`.
    """
    function = load("services", service)
    batch_function: Callable[..., list[Served]] | None = getattr(
        sys.modules[function.__module__], f"{function.__name__}{MANY}", None
    )
    return batch_function


def services_of(version: Version) -> list[str]:
    """Return the services of the fields of a version.

    Args:
        version: the version.

    Raises:
        ServingError: there is none, so no route could answer for it.
    """
    records = [find(field).plugin for field in version.fields]
    names = [f"{r.name}/{name}" for r in records if r is not None for name in r.services]
    if not names:
        rule = (
            f"no plugin of its task, data and backbone ({', '.join(version.fields)}) has a service"
        )
        raise ServingError(f"adapter {version.name!r}", rule, "Use the command of its field")
    return names


def _kind(job: Job) -> tuple[str, str, str] | None:
    if job.single or many_of(job.service) is None:
        return None
    return job.service, job.version, repr(sorted(job.options.items()))


def _empty(out: Path) -> Path:
    out.mkdir(exist_ok=True)
    return out


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
    except Exception as error:  # a service may fail in any way, and the worker lives on
        return _as_value(error, job)


def _as_value(error: Exception, job: Job) -> dict[str, Any]:
    if isinstance(error, ScionwoodError):
        status = error.status if isinstance(error, ServingError) else _status(error)
        detail = {"kind": type(error).__name__, "value": error.value, "rule": error.rule}
        return {"status": status, "error": _hidden({**detail, "remedy": error.remedy}, job)}
    import logging

    logging.getLogger("scionwood_serve").error("service %s", job.service, exc_info=error)
    detail = {"kind": type(error).__name__, "value": job.source.name, "rule": UNEXPECTED}
    remedy = "Report it with the file, if you may; the log of the server has the details"
    return {"status": 500, "error": {**detail, "remedy": remedy}}


def _status(error: ScionwoodError) -> int:
    cause = error.__cause__
    full = isinstance(cause, OSError) and cause.errno in (28, 122)  # ENOSPC, EDQUOT
    return 507 if full else 422


def _hidden(message: dict[str, str], job: Job) -> dict[str, str]:
    """Take the places of the server out of a message; names of files stay."""
    folders = [version.folder.parent for version in job.versions]
    folders += [job.source.parent, job.out, job.source.parent.parent.with_name("versions")]
    for folder in sorted(map(str, folders), key=len, reverse=True):
        if Path(folder).is_absolute():
            message = {key: text.replace(f"{folder}/", "") for key, text in message.items()}
    return message
