"""What is checked of every request before a route sees it: host, origin, token, pace and size."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

from scionwood_serve.versions.problem import ServingError
from scionwood_serve.web.limits import LARGEST_JSON, Limits
from scionwood_serve.web.refusals import refusal_of

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]

OPEN = ("/health", "/")
"""What needs no token: the page asks for it, and a supervisor asks for the health."""

SERVICES, RESULTS = "/v1/", "/v1/results/"
"""Routes that take files; pages whose addresses nobody can guess."""


class Guard:
    """Middleware before all routes, those of FastAPI's own, such as /openapi.json, among them.

    Args:
        app: the application behind it.
        limits: the limits of the server.
    """

    def __init__(self, app: Any, limits: Limits) -> None:
        self.app, self.limits = app, limits

    async def __call__(self, scope: Message, receive: Receive, send: Any) -> None:
        """Pass a request on, or refuse it.

        Args:
            scope: what ASGI says of the connection.
            receive: gives the next part of the body.
            send: takes the answer.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._check(Request(scope))
        except ServingError as error:
            await refusal_of(error)(scope, receive, send)
            return
        max_bytes = None if scope["path"].startswith(SERVICES) else LARGEST_JSON
        await self.app(scope, in_time(receive, self.limits, max_bytes), send)

    def _check(self, request: Request) -> None:
        limits, path = self.limits, request.url.path
        host = request.headers.get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if name not in limits.hosts:
            rule = f"this server is called {', '.join(limits.hosts)}"
            raise ServingError(f"host {host[:80]!r}", rule, "Start it with --host", 403)
        origin = request.headers.get("origin")
        if origin and urlsplit(origin).netloc != host:
            rule = "pages of other sites may not use this server"
            raise ServingError(f"origin {origin[:80]!r}", rule, "Use its own page", 403)
        if limits.token and path not in OPEN and not path.startswith(RESULTS):
            sent = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(sent.encode(), limits.token.encode()):
                remedy = "Send the header Authorization: Bearer TOKEN"
                raise ServingError("token", "it is missing or wrong", remedy, 401)


def in_time(receive: Receive, limits: Limits, max_bytes: int | None = None) -> Receive:
    """Return a `receive` that refuses a body that is too slow, or too large.

    Args:
        receive: gives the next part of the body.
        limits: the limits; a body may take `grace` seconds, and 1 s more for each `rate` bytes,
            but no more than `timeout`.
        max_bytes: the most bytes; `None` if the route counts them itself.
    """
    start = asyncio.get_running_loop().time()
    size, is_complete = 0, False

    async def timely() -> Message:
        nonlocal size, is_complete
        seconds = None if is_complete else min(limits.timeout, limits.grace + size / limits.rate)
        try:
            async with asyncio.timeout_at(None if seconds is None else start + seconds):
                message = await receive()
        except TimeoutError as error:
            rule = f"{size:,} bytes of it arrived within {seconds:.3g} s"
            remedy = f"Send at least {limits.rate:,} bytes each second"
            raise ServingError("body of the request", rule, remedy, 408) from error
        size += len(message.get("body", b""))
        is_complete = not message.get("more_body", False)
        if max_bytes is not None and size > max_bytes:
            rule = f"it has more than {max_bytes:,} bytes"
            raise ServingError("body of the request", rule, "Send less", 413)
        return message

    return timely
