"""Connections of the HTTP side: a deadline for what a client sends first, and a cap on them."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from itertools import count
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from scionwood_serve.web.limits import Limits

GRACE = 120
"""Seconds in which requests that are under way may end after SIGTERM."""

LINGER = 5.0
"""Seconds in which the last bytes of an answer may leave a connection that is closed."""

_turns = count()
"""The order in which connections begin to wait: a clock has equal times for many of a crowd."""


def make_config(app: Any, limits: Limits) -> uvicorn.Config:
    """Return what uvicorn needs to serve an application under the limits of connections.

    Args:
        app: an ASGI application.
        limits: the limits.
    """
    max_connections = limits.connections
    if hasattr(os, "sysconf"):  # half of the open files are left for uploads and results
        max_connections = min(max_connections, max(8, os.sysconf("SC_OPEN_MAX") // 2))
    protocol: Any = partial(Connection, most=max_connections, seconds=limits.headers)
    return uvicorn.Config(
        app, http=protocol, ws="none", log_level="warning", server_header=False,
        timeout_graceful_shutdown=GRACE,
    )  # fmt: skip


class Connection(H11Protocol):
    """A connection that is closed if no request of it is answered for a while.

    It waits from its start, and from the end of an answer, until the headers of a request are
    whole. uvicorn has a deadline for a silent connection between two requests, and none for headers
    that arrive byte by byte, nor for a body behind an answer.

    Beyond the cap the connection that waits longest is closed, so that clients that send half a
    header cannot keep others out.

    Args:
        most: the most connections.
        seconds: how long a connection may wait.
    """

    def __init__(self, *arguments: Any, most: int, seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._most, self._seconds, self._turn = most, seconds, 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count a new connection, and close another one if there are too many."""
        super().connection_made(transport)
        self._watch()
        alive = [
            connection for connection in self.connections if not connection.transport.is_closing()
        ]
        if len(alive) > self._most:
            waiting = [
                connection
                for connection in alive
                if isinstance(connection, Connection) and connection._waits
            ]
            min(waiting, key=lambda connection: connection._turn).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request, or begin with it if it is here."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        super().connection_lost(exc)
        self._forget()

    @property
    def _waits(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _watch(self) -> None:
        if not self._waits:
            self._forget()
        elif self._deadline is None:
            self._turn = next(_turns)
            self._deadline = self.loop.call_later(self._seconds, self._end)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        self.transport.close()
        self._deadline = self.loop.call_later(LINGER, self.transport.abort)
