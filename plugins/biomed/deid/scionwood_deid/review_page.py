"""The page of a review on this machine: contact sheets, and decisions by keyboard."""

from __future__ import annotations

import json
import secrets
import sys
from contextvars import copy_context
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Lock
from typing import Any, final

from scionwood_deid.errors import OptionError
from scionwood_deid.look import decision_of, parse_boxes
from scionwood_deid.sheets import Sheets, Tile
from scionwood_deid.text_detector import text_in
from scionwood_sandbox import ReadError, RuleError

LARGEST = 20_000
"""The largest request, bytes."""

_FILES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@final
class ReviewServer(ThreadingHTTPServer):
    """A server on 127.0.0.1 whose every address begins with a secret token.

    Requests are answered one after another: one person looks.

    Args:
        sheets: the contact sheets.
        port: the port; 0 chooses a free one.

    Raises:
        OptionError: the port is taken, or it needs more rights.
    """

    daemon_threads = True

    def __init__(self, sheets: Sheets, port: int = 0) -> None:
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            rule = f"it cannot be used ({error})"
            raise OptionError(f"port {port}", rule, "Choose another, or 0 for any") from error
        self.sheets, self.token = sheets, secrets.token_urlsafe(24)
        self._context, self._lock = copy_context(), Lock()

    @property
    def address(self) -> str:
        """The address of the page; whoever knows it sees the pictures and can decide."""
        return f"http://127.0.0.1:{self.server_port}/{self.token}/"

    def answer(self, parts: list[str], body: Any = None) -> tuple[str, bytes]:
        """Return the kind and the content of an answer.

        Args:
            parts: the path behind the token.
            body: what was posted, or `None`.

        Raises:
            RuleError: the request asks for what there is not, or a decision is refused.
        """
        if len(parts) == 3 and parts[0] == "text":
            self._look_for_text(_tile(*parts[1:]))
        with self._lock:  # the child that decodes is that of the context in which this was made
            return self._context.run(self._answer, parts, body)

    def _look_for_text(self, tile: Tile) -> None:
        with self._lock:
            picture = self._context.run(self.sheets.unmarked, tile)
        if picture is not None:
            texts = text_in(picture)  # slow: no decision waits for it
            with self._lock:
                self._context.run(self.sheets.mark, tile, texts)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a page that was closed while it was answered."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def _answer(self, parts: list[str], body: Any) -> tuple[str, bytes]:
        match parts:
            case ["decide"] if body is not None:
                return _json(self._decide(body))
            case ["picture", number, frame, view] if body is None:
                return "image/png", self.sheets.picture(_tile(number, frame), view)
            case ["text", number, frame] if body is None:
                boxes, size = self.sheets.texts(_tile(number, frame))
                return _json({"boxes": boxes, "size": size})
            case ["sheet", at] if body is None:
                return _json(self._sheet(at))
            case ["undecided"] if body is None:
                return _json(self._undecided())
            case [name] if name in _FILES and body is None:
                file, kind = _FILES[name]
                return kind, (files("scionwood_deid") / "page" / file).read_bytes()
        raise ReadError("the address", "there is nothing at it", "Open the page again")

    def _progress(self) -> dict[str, Any]:
        review = self.sheets.review
        return {
            "sheets": len(self.sheets.sheets),
            "images": len(review.images),
            "decided": len(review.images) - len(review.open_names()),
            "who": review.who,
            "target": str(review.target),
            "detector": self.sheets.detector,
        }

    def _sheet(self, at: str) -> dict[str, Any]:
        number = int(at) if at.isdecimal() else -1
        if not 0 <= number < len(self.sheets.sheets):
            raise ReadError(f"sheet {at}", "there is no such sheet", "Open the page again")
        review, figures = self.sheets.review, []
        for tile in self.sheets.sheets[number]:
            image = review.images[tile.number]
            figures.append({
                "number": tile.number, "frame": tile.frame, "name": image.name,
                "frames": image.frames, "hint": image.hint,
                "decision": review.decision(image.name),
            })  # fmt: skip
        return {"figures": figures, **self._progress()}

    def _undecided(self) -> dict[str, Any]:
        review = self.sheets.review
        for at, tiles in enumerate(self.sheets.sheets):
            for place, tile in enumerate(tiles):
                if review.decision(review.images[tile.number].name) is None:
                    return {"sheet": at, "figure": place}
        return {"sheet": None}

    def _decide(self, body: Any) -> dict[str, Any]:
        name, decision, regions = (
            body.get(key) if isinstance(body, dict) else None
            for key in ("name", "decision", "regions")
        )
        if not isinstance(name, str):
            raise ReadError("the decision", "it names no image", "Open the page again")
        if decision == "open":
            self.sheets.review.reopen(name)
            return {"stands": "", **self._progress()}
        boxes = parse_boxes(regions) if isinstance(regions, str) else []
        stands = self.sheets.decide(name, decision_of(name, decision), boxes)
        return {"stands": stands, **self._progress()}


@final
class _Handler(BaseHTTPRequestHandler):
    server_version = "scionwood"
    sys_version = ""
    timeout = 30
    server: ReviewServer

    def do_GET(self) -> None:
        """Send the page, a sheet or a picture."""
        if self._is_ours():
            self._reply(None)

    def do_POST(self) -> None:
        """Take a decision."""
        if not self._is_ours():
            return
        length = self.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else -1
        if not 0 <= size <= LARGEST or self.headers.get_content_type() != "application/json":
            self._send(HTTPStatus.BAD_REQUEST, b"", "text/plain")
            return
        try:
            body = json.loads(self.rfile.read(size))
        except (ValueError, RecursionError):
            self._send(HTTPStatus.BAD_REQUEST, b"", "text/plain")
            return
        self._reply({} if body is None else body)

    def _reply(self, body: Any) -> None:
        parts = self.path.partition("?")[0].split("/")[2:]
        try:
            kind, content = self.server.answer(parts, body)
        except RuleError as error:
            record = json.dumps({"error": str(error)}).encode()
            self._send(HTTPStatus.UNPROCESSABLE_ENTITY, record, "application/json")
            return
        self._send(HTTPStatus.OK, content, kind)

    def _is_ours(self) -> bool:
        # Another name for 127.0.0.1 is that of a page elsewhere, which would read the answers.
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        is_same_origin = host == f"127.0.0.1:{self.server.server_port}" and origin in (
            None,
            f"http://{host}",
        )
        token = self.path.split("/")[1:2]
        token_bytes = token[0].encode("utf-8", "replace") if token else b""
        if is_same_origin and secrets.compare_digest(token_bytes, self.server.token.encode()):
            return True
        self._send(HTTPStatus.FORBIDDEN, b"", "text/plain")
        return False

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
        """Write nothing: the addresses hold the token."""


def _tile(number: str, frame: str) -> Tile:
    if not (number.isdecimal() and frame.isdecimal()):
        raise ReadError("the address", "it names no frame", "Open the page again")
    return Tile(int(number), int(frame))


def _json(record: dict[str, Any]) -> tuple[str, bytes]:
    return "application/json; charset=utf-8", json.dumps(record).encode()
