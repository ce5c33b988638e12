"""Start a server, and stop it without losing a request."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from types import FrameType
from typing import Any

import litserve as ls
import uvicorn
from fastapi import FastAPI
from litserve.utils import wrap_litserve_start

from scionwood_serve.versions.book import Book
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.versions.snapshot import Version
from scionwood_serve.web.application import make_application
from scionwood_serve.web.desk import Desk
from scionwood_serve.web.limits import Limits
from scionwood_serve.worker.engine import Engine

GRACE = 120
"""Seconds in which requests that are under way may end after SIGTERM."""


def run_server(
    versions: list[Version],
    state: Path,
    limits: Limits,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: str = "cpu",
    threads: int = 0,
    shadow: Any = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; then take no more requests, and answer those under way.

    Args:
        versions: the first version of each adapter.
        state: the folder of versions and of requests.
        limits: the limits.
        host: the address to listen on.
        port: the port; 0 takes a free one, which the first line names.
        device: where the models compute.
        threads: threads of torch; 0 leaves the default.
        shadow: a `Shadow` that trains beside, or `None`.

    Raises:
        ServingError: the port is taken, or the worker cannot load a version.
    """
    requests = state / "requests"
    shutil.rmtree(requests, ignore_errors=True)
    requests.mkdir(parents=True, mode=0o700)
    _quiet()
    engine = Engine(versions, device, threads)
    server = ls.LitServer(engine, accelerator="cpu", timeout=False, restart_workers=True)
    server.monitor_internal = 0.3  # seconds between two looks at the worker
    with _listening(host, port) as listener, _terminable(), wrap_litserve_start(server, True):
        try:
            server.verify_worker_status()
        except RuntimeError as error:
            remedy = "The lines above say why"
            raise ServingError("worker", "it cannot load the adapters", remedy) from error
        desk = Desk(Book(versions), limits, state, server)
        app = make_application(desk, _lifespan(server, desk, shadow))
        app.response_queue_id = 0  # type: ignore[attr-defined]  # LitServe reads it
        address = f"http://{host}:{listener.getsockname()[1]}"
        print(f"serving {', '.join(v.name for v in versions)} on {address}", flush=True)
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=GRACE, server_header=False
        )
        web = uvicorn.Server(config)
        with suppress(SystemExit):  # uvicorn raises the signal again after it has drained
            web.run(sockets=[listener])
        if not web.started:
            raise ServingError("server", "it did not start", "The lines above say why")
        print("stopped: all requests are answered", flush=True)


def state_folder(state: Path | None) -> tuple[Path, bool]:
    """Return the folder of a server, and whether it is temporary.

    Args:
        state: the folder that the user names.
    """
    if state is None:
        return Path(mkdtemp(prefix="scionwood-serve-")), True
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return state, False


def _lifespan(server: ls.LitServer, desk: Desk, shadow: Any) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        async with server.lifespan(app):
            if shadow is None:
                yield
                return
            async with shadow.beside(desk):
                yield

    return lifespan


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            rule = f"it cannot be used ({error.strerror or error})"
            raise ServingError(f"{host}:{port}", rule, "Give another --port") from error
        yield listener


@contextmanager
def _terminable() -> Iterator[None]:
    """End as a command does after uvicorn has drained, which raises the signal once more."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _quiet() -> None:
    os.environ.setdefault("SCIONWOOD_READERS", "service")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    for name in ("litserve", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.ERROR)
