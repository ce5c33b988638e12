"""No network while something is built, and a record of who asked for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from unittest.mock import patch


@contextmanager
def offline() -> Iterator[list[str]]:
    """Refuse connections and name look-ups; give the list of those that were tried.

    The list matters more than the refusal: a download that fails quietly was still tried.
    """
    tried: list[str] = []

    def refuse(*arguments: Any, **_: Any) -> NoReturn:
        wanted = [a for a in arguments if not isinstance(a, socket.socket)]
        tried.append(str(wanted[0]) if wanted else "a connection")
        raise OSError(f"no network while checks run (wanted: {tried[-1]})")

    with (
        patch.object(socket.socket, "connect", refuse),
        patch.object(socket.socket, "connect_ex", refuse),
        patch.object(socket.socket, "sendto", refuse),
        patch.object(socket, "getaddrinfo", refuse),
        patch.object(socket, "create_connection", refuse),
    ):
        yield tried
