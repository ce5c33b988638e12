"""Block the network while something is built, and record each attempt to use it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from unittest.mock import patch


@contextmanager
def offline() -> Iterator[list[str]]:
    """Refuse connections and name look-ups, and yield the list of attempts.

    The list also has attempts whose failure the plugin ignored.
    """
    tried: list[str] = []

    def refuse(*arguments: Any, **_: Any) -> NoReturn:
        addresses = [a for a in arguments if not isinstance(a, socket.socket)]
        tried.append(str(addresses[0]) if addresses else "a connection")
        raise OSError(f"no network while checks run (wanted: {tried[-1]})")

    with (
        patch.object(socket.socket, "connect", refuse),
        patch.object(socket.socket, "connect_ex", refuse),
        patch.object(socket.socket, "sendto", refuse),
        patch.object(socket, "getaddrinfo", refuse),
        patch.object(socket, "create_connection", refuse),
    ):
        yield tried
