"""A real server in a process of its own, and a client of it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

TOKEN = "correct-horse"


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def version(self) -> str:
        """The version that answered."""
        return self.headers.get("x-scionwood-version", "")

    @property
    def error(self) -> dict[str, str]:
        """The refusal."""
        return json.loads(self.body)["error"]

    def json(self) -> Any:
        """The values of the body."""
        return json.loads(self.body)


class Server:
    """A client of a running server."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        *,
        headers: dict[str, str] | None = None,
        timeout: float = 300,
    ) -> Answer:
        """Send one request; the first answer counts, also if it comes before the body has gone."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        given = {"Authorization": f"Bearer {TOKEN}", **(headers or {})}
        try:
            with suppress(BrokenPipeError, ConnectionResetError):  # it has refused the rest
                link.request(method, path, body, given)
            answer = link.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            link.close()

    def post(self, service: str, body: Any, file: str = "", **query: object) -> Answer:
        """Apply a service to a file."""
        told = {"file": file, **query} if file else query
        path = f"/v1/{service}" + (f"?{urlencode(told, doseq=True)}" if told else "")
        return self.ask("POST", path, body, headers={"Content-Type": "application/octet-stream"})

    def put(self, name: str, run: str, token: str = TOKEN, **more: object) -> Answer:
        """Put an adapter."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        body = json.dumps({"run": run, **more}).encode()
        return self.ask("PUT", f"/adapters/{quote(name)}", body, headers=headers)

    def worker(self) -> int:
        """The process of the worker."""
        return int(self.ask("GET", "/health").json()["worker"])

    def memory(self, process: int) -> int:
        """Bytes of memory of a process and its children."""
        return sum(_memory(each) for each in (process, *_children(process)))

    def decoders(self) -> set[int]:
        """The processes that decode files for the worker."""
        return {each for child in _children(self.worker()) for each in _children(child)}

    def stop(self) -> int:
        """End it by SIGTERM, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(150)


@contextmanager
def running(folder: Path, *words: str, env: dict[str, str] | None = None, wait: float = 240):
    """Start `scionwood serve run` on a free port."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    command = [sys.executable, "-m", "scionwood.cli", "serve", "run", *words, "--port", "0"]
    settings = {
        **os.environ, "OMP_NUM_THREADS": "1", "SCIONWOOD_SERVE_TOKEN": TOKEN,
        "SCIONWOOD_DISABLE": "audit", **(env or {}),
    }  # fmt: skip
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=settings, cwd=folder
        )
    server = None
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("serving"), line + log.read_text()
        server = Server(process, int(line.rpartition(":")[2]), log)
        _until_ready(server, wait)
        yield server
    finally:
        if server is not None:
            server.stop()
        process.kill()
        process.wait()
        process.stdout.close()


def _until_ready(server: Server, wait: float) -> None:
    end = time.monotonic() + wait
    while time.monotonic() < end:
        try:
            if server.ask("GET", "/health").status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(server.log.read_text())


def _memory(process: int) -> int:
    """Bytes of a process; what forked processes share is counted once."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def _children(process: int) -> list[int]:
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(each.read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        if parent == process:
            child = int(each.parent.name)
            found += [child, *_children(child)]
    return found
