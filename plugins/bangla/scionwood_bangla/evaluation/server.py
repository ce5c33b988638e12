"""A page on this machine that checks a pasted text, with the standard library only."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, final

from scionwood import RecipeError, ScionwoodError
from scionwood_bangla.checker import check_text
from scionwood_bangla.checker.findings import RULES
from scionwood_bangla.checker.fix import level_of
from scionwood_bangla.checker.report import as_json
from scionwood_bangla.checker.restate import restate
from scionwood_bangla.evaluation.fonts import page_font
from scionwood_bangla.lexicon import readings
from scionwood_bangla.text.reading import require_bangla

LARGEST = 400_000
"""The largest request, bytes. A page of text has 10,000."""

_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "font-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FACE = b"""@font-face { font-family: "served"; src: url("font.ttf"); }"""


def page_server(port: int) -> ThreadingHTTPServer:
    """Return a server that listens on 127.0.0.1 only.

    Args:
        port: the port; 0 chooses a free one.

    Raises:
        RecipeError: the port is taken, or it needs more rights.
    """
    page_font()  # font and lexicon are read once, before threads ask for them
    readings("")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    except (OSError, OverflowError) as error:
        rule = f"it cannot be used ({error})"
        raise RecipeError(f"port {port}", rule, "Choose another, or 0 for any free one") from error


def answer(record: Any) -> dict[str, Any]:
    """Return the result of a check for the page.

    Args:
        record: `text`, and `register`, an accepted level or an empty string.

    Returns:
        The findings as in `as_json`, with the meaning of the rules and, if the checker can write
        it, the text at one level as `fixed`.

    Raises:
        ReadError: the text is not Bangla.
        RecipeError: the record has no text, or its level is unknown.
    """
    text = record.get("text") if isinstance(record, dict) else None
    level = record.get("register") or "" if isinstance(record, dict) else ""
    if not isinstance(text, str) or not isinstance(level, str):
        rule = "it has no text"
        raise RecipeError("the request", rule, 'Send {"text": "...", "register": "apni"}')
    register = [level] if level else None
    findings = check_text(require_bangla(text, "the text"), register, letter=None)
    target = level_of(findings.text, register) if findings.faults else None
    better = restate(findings.text, target) if target else None
    return as_json(findings) | {"rules": RULES, "fixed": better, "level": target}


@final
class _Handler(BaseHTTPRequestHandler):
    server_version = "scionwood"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """Send a file of the page."""
        name, kind = _FILES.get(self.path, ("", ""))
        if not self._is_ours():
            return
        font = page_font()
        if self.path == "/font.css":  # the font of the extra `fonts`, if it is installed
            self._send(HTTPStatus.OK, _FACE if font else b"", "text/css; charset=utf-8")
            return
        if self.path == "/font.ttf" and font:
            self._send(HTTPStatus.OK, font, "font/ttf")
            return
        if not name:
            self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")
            return
        content = (files("scionwood_bangla.evaluation") / "page" / name).read_bytes()
        self._send(HTTPStatus.OK, content, kind)

    def do_POST(self) -> None:
        """Check a text."""
        if not self._is_ours():
            return
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdigit() else -1
        is_json = self.headers.get_content_type() == "application/json"
        if self.path != "/check" or not is_json:
            self._send(HTTPStatus.NOT_FOUND, b"", "text/plain")
        elif not 0 <= size <= LARGEST:
            self._answer(413, {"error": f"more than {LARGEST:,} bytes"})
        else:
            self._check(self.rfile.read(size))

    def _check(self, content: bytes) -> None:
        try:
            self._answer(HTTPStatus.OK, answer(json.loads(content)))
        except ScionwoodError as error:
            self._answer(422, {"error": str(error)})
        except (ValueError, RecursionError):
            self._answer(HTTPStatus.BAD_REQUEST, {"error": "it is not JSON"})

    def _is_ours(self) -> bool:
        # Another name for 127.0.0.1 is that of a page elsewhere, which would read the answers.
        host = (self.headers.get("Host") or "").rpartition(":")[0]
        origin = self.headers.get("Origin")
        is_local = host in ("127.0.0.1", "localhost")
        is_local = is_local and origin in (None, f"http://{self.headers.get('Host')}")
        if not is_local:
            self._send(HTTPStatus.FORBIDDEN, b"", "text/plain")
        return is_local

    def _answer(self, status: int, record: dict[str, Any]) -> None:
        content = json.dumps(record, ensure_ascii=False).encode()
        self._send(status, content, "application/json; charset=utf-8")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(content))}
        headers |= {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
        headers |= {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: a log would hold no text, but nobody asked for one."""
