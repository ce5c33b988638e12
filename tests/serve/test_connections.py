"""Clients that are slow, or never say what they want, keep nobody out. Real sockets, no worker."""

from __future__ import annotations

import http.client
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Annotated, Any

import uvicorn
from case_table import table
from fastapi import Body, FastAPI, Request

from scionwood_serve import Limits
from scionwood_serve.web.connections import make_config
from scionwood_serve.web.guard import Guard
from scionwood_serve.web.refusals import add_refusals

HALF = b"POST /v1/size HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Ha"
WHOLE = b"POST /v1/size HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@contextmanager
def listening(**options: Any) -> Iterator[int]:
    """Serve a route that counts the bytes of a body; yield the port."""
    app = FastAPI()
    limits = Limits(**options)
    app.add_middleware(Guard, limits=limits)
    add_refusals(app)

    @app.post("/v1/size")
    async def size(request: Request) -> int:
        return sum([len(block) async for block in request.stream()])

    @app.put("/name")
    async def name(text: Annotated[str, Body()]) -> int:
        return len(text)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(make_config(app, limits))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)


def size_of(port: int, body: bytes) -> str:
    """Send a whole request on a connection of its own."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    link.request("POST", "/v1/size", body)
    try:
        return link.getresponse().read().decode()
    finally:
        link.close()


@contextmanager
def crowd(port: int, number: int) -> Iterator[None]:
    """Let another process hold connections that have sent half a header."""
    code = f"""
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (4000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
links = [socket.create_connection(("127.0.0.1", {port})) for _ in range({number})]
for link in links:
    try:
        link.send({HALF!r})
    except OSError:
        pass
print("here", flush=True)
input()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        yield
        process.stdin.write(b"\n")


def until_closed(link: socket.socket, send: bytes = b"") -> tuple[bytes, float]:
    """Read until the server closes, while a byte goes out now and then; also return the seconds."""
    start, received = time.monotonic(), b""
    link.settimeout(0.1)
    while time.monotonic() - start < 20:
        try:
            link.send(send)
            if not (block := link.recv(4096)):
                break
            received += block
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            break
    return received, time.monotonic() - start


def test_1100_half_sent_headers_keep_nobody_out():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))  # as most systems have it
    try:
        with listening(headers=60.0) as port, crowd(port, 1100):
            start = time.monotonic()
            assert size_of(port, b"12345") == "5"
            assert time.monotonic() - start < 5
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_request_that_is_answered_is_not_closed_for_others():
    with listening(connections=8, headers=60.0) as port, ExitStack() as links:
        busy = links.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        busy.send(WHOLE + b"Expect: 100-continue\r\nContent-Length: 6\r\n\r\n")
        assert busy.recv(4096).startswith(b"HTTP/1.1 100 ")  # the route runs: a request is open
        busy.send(b"123")
        for _ in range(30):
            links.enter_context(socket.create_connection(("127.0.0.1", port))).send(HALF)
        assert size_of(port, b"12") == "2"
        busy.send(b"456")
        assert busy.recv(4096).endswith(b"6")


@table(
    ("start", "drip"),
    [
        (b"", b""),
        (HALF, b"a"),
        (WHOLE + b"Content-Length: 1\r\n\r\n1" + HALF, b"a"),
        (WHOLE.replace(b"127", b"evil") + b"Content-Length: 99999\r\n\r\n", b"b"),
    ],
    ids=["silent", "half a header", "half a second header", "a body behind the refusal"],
)
def test_a_connection_without_a_request_ends(start, drip):
    with listening(headers=0.5) as port:
        link = socket.create_connection(("127.0.0.1", port))
        with link:
            link.send(start)
            received, seconds = until_closed(link, drip)
    assert seconds < 4
    assert received.count(b"HTTP/1.1") == start.count(b"Content-Length")


def test_a_body_has_to_arrive_at_a_pace():
    with listening(grace=0.5, rate=100) as port:
        with socket.create_connection(("127.0.0.1", port)) as link:
            link.send(WHOLE + b"Content-Length: 99999\r\n\r\n")
            received, seconds = until_closed(link, b"b")
        assert received.startswith(b"HTTP/1.1 408")
        assert b"Send at least 100 bytes each second" in received
        assert seconds < 5
        with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
            link.send(WHOLE + b"Content-Length: 500\r\n\r\n")
            for _ in range(5):  # for longer than a body may take that has fewer bytes
                time.sleep(0.2)
                link.send(bytes(100))
            assert link.recv(4096).endswith(b"500")


def test_a_body_that_is_no_upload_is_small():
    with listening() as port:
        for blocks, status in ((8, 200), (20, 400)):
            link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            text = b'"' + b"a" * (blocks << 16) + b'"'
            with suppress(BrokenPipeError, ConnectionResetError):  # it has refused the rest
                link.request("PUT", "/name", text, {"Content-Type": "application/json"})
            assert link.getresponse().status == status
            link.close()
