"""Start a server, and stop it without losing a request."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import sys
import time
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

from scionwood_serve.versions.problem import ServingError
from scionwood_serve.versions.registry import VersionRegistry
from scionwood_serve.versions.snapshot import Version
from scionwood_serve.web.application import make_application
from scionwood_serve.web.connections import make_config
from scionwood_serve.web.limits import Limits
from scionwood_serve.web.server_state import ServerState
from scionwood_serve.worker.engine import Engine
from scionwood_serve.worker.options import EngineOptions


def run_server(
    versions: list[Version],
    state: Path,
    limits: Limits,
    options: EngineOptions,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    shadow: Any = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; then take no more requests, and answer those under way.

    Args:
        versions: the first version of each adapter.
        state: the folder of versions and of requests.
        limits: the limits.
        options: where the models compute, and how many requests at a time.
        host: the address to listen on.
        port: the port; 0 takes a free one, which the first line names.
        shadow: a `Shadow` that trains beside, or `None`.

    Raises:
        ServingError: the port is taken, the worker cannot load a version, or files would be decoded
            in the process of the models.
    """
    _decode_apart()
    requests = state / "requests"
    shutil.rmtree(requests, ignore_errors=True)
    requests.mkdir(parents=True, mode=0o700)
    _quiet()
    engine = Engine(versions, options)
    server = ls.LitServer(engine, accelerator="cpu", timeout=False, restart_workers=True)
    server.monitor_internal = 0.3  # seconds between two looks at the worker
    with _listening(host, port) as listener, _worker(server):
        server_state = ServerState(VersionRegistry(versions), limits, state, server)
        app = make_application(server_state, _lifespan(server, server_state, shadow))
        app.response_queue_id = 0  # type: ignore[attr-defined]  # LitServe reads it
        address = f"http://{host}:{listener.getsockname()[1]}"
        print(f"serving {', '.join(v.name for v in versions)} on {address}", flush=True)
        web = uvicorn.Server(make_config(app, limits))
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
    return state.resolve(), False


def _lifespan(server: ls.LitServer, server_state: ServerState, shadow: Any) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        async with server.lifespan(app):
            if shadow is None:
                yield
                return
            async with shadow.in_background(server_state):
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
def _worker(server: ls.LitServer) -> Iterator[None]:
    """Start the worker, and end it after the block, when nothing is under way any more.

    A terminal and a service manager send a signal to all processes of a group. The worker and its
    queue ignore it, so that they answer what is under way; this process alone ends them.
    """
    signals = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        with wrap_litserve_start(server, worker_monitor=True):
            for number in signals:
                signal.signal(number, _leave)
            try:
                _wait(server)
                yield
            finally:
                server._shutdown_event.set()
                time.sleep(2 * server.monitor_internal)  # so that nobody starts it again
                for process in server.inference_workers:
                    process.kill()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _wait(server: ls.LitServer) -> None:
    try:
        server.verify_worker_status()
    except RuntimeError as error:
        rule = "it cannot load the adapters"
        raise ServingError("worker", rule, "The lines above say why") from error


def _decode_apart() -> None:
    """Let files be decoded in children, in this process and in those that it starts.

    Raises:
        ServingError: the user asks for decoding in the process of the models.
    """
    chosen = os.environ.setdefault("SCIONWOOD_READERS", "service")
    if chosen == "inline":
        rule = "a server decodes files of others in children, apart from the models"
        raise ServingError(f"SCIONWOOD_READERS={chosen}", rule, "Unset it")


def _quiet() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    for name in ("litserve", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.ERROR)
