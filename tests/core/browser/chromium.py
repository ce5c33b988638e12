"""Drive a headless Chromium through its debugging pipe, without any other package.

A browser is the program of `$SCIONWOOD_BROWSER`, that of `make browser`, or one on PATH. The
commands and events are those of the Chrome DevTools Protocol, one JSON object each, ended by a
zero byte: https://chromedevtools.github.io/devtools-protocol.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "chrome",
    "chrome-headless-shell",
    "chromium-headless-shell",
)
ABSENT = (
    "no Chromium is here: `make browser` fetches one from npm, or set SCIONWOOD_BROWSER to the "
    f"path of one; searched on PATH: {', '.join(NAMES)}"
)
OPTIONS = (
    "--headless",
    "--no-sandbox",  # a container's root has no sandbox, and the pages are ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-pipe",
)
PATIENCE = 60.0
"""Seconds to wait for one answer of the browser."""


def find_browser() -> str | None:
    """Return the path of a Chromium, or None."""
    if given := os.environ.get("SCIONWOOD_BROWSER"):
        return given
    fetched = Path(sys.prefix) / "browser" / "chromium"
    if fetched.is_file():
        return str(fetched)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One open page.

    Attributes:
        problems: errors of the console, exceptions and failed loads so far.
    """

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._rest, self._count = b"", 0
        self._session: str | None = None
        self._loaded = False
        self.problems: list[str] = []

    def open(self) -> None:
        """Make the tab and ask for the events that matter."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        answer = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = answer["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def show(self, page: Path, width: int, height: int, scheme: str) -> None:
        """Load a file into a window of this size, on a screen that is `dark` or `light`."""
        self.problems.clear()
        self._loaded = False
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        wish = [{"name": "prefers-color-scheme", "value": scheme}]
        self.ask("Emulation.setEmulatedMedia", features=wish)
        self.ask("Page.navigate", url=page.resolve().as_uri())
        deadline = time.monotonic() + PATIENCE
        while not self._loaded:
            self._event(self._message(deadline))

    def value(self, expression: str) -> Any:
        """Return the value of an expression in JavaScript."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write a PNG of the window, or of the whole page."""
        answer = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come first are noted."""
        self._count += 1
        command: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        os.write(self._send, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while (message := self._message(deadline)).get("id") != self._count:
            self._event(message)
        assert "error" not in message, (method, message)
        result: dict[str, Any] = message["result"]
        return result

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._receive], [], [], deadline - time.monotonic())
            content = os.read(self._receive, 1 << 20) if ready else b""
            if not content:
                raise EOFError if ready else TimeoutError("the browser does not answer")
            self._rest += content
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def _event(self, message: dict[str, Any]) -> None:
        details = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Runtime.consoleAPICalled" if details["type"] in ("error", "warning", "assert"):
                self.problems.append(f"console: {details['args']}")
            case "Runtime.exceptionThrown":
                self.problems.append(f"exception: {details['exceptionDetails']['text']}")
            case "Log.entryAdded" if details["entry"]["level"] in ("error", "warning"):
                self.problems.append(f"log: {details['entry']['text']}")
            case "Network.loadingFailed":
                self.problems.append(f"load: {details['errorText']}")


@contextmanager
def started(browser: str) -> Iterator[Tab]:
    """Start a browser with one tab, and end it with the block."""
    ours, theirs = os.pipe(), os.pipe()  # commands to the browser, and its answers
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile("w+") as said:
        command = [browser, *OPTIONS, f"--user-data-dir={home}"]
        script = f'exec 3<&{ours[0]} 4>&{theirs[1]}; exec "$@"'
        process = subprocess.Popen(
            ["bash", "-c", script, "browser", *command],
            pass_fds=(ours[0], theirs[1]),
            stdout=subprocess.DEVNULL,
            stderr=said,
            env={**os.environ, "HOME": home},
        )
        os.close(ours[0])
        os.close(theirs[1])
        try:
            tab = Tab(ours[1], theirs[0])
            tab.open()
            yield tab
        except (BrokenPipeError, EOFError):
            said.seek(0)
            raise RuntimeError(f"{browser} ended: {said.read()[-500:]}") from None
        finally:
            process.kill()
            process.wait()
            os.close(ours[1])
            os.close(theirs[0])
