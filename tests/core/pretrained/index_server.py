"""A package index on this machine, as a process: it serves a folder, resumes, and cuts downloads.

    python index_server.py FOLDER LOG CUTS

LOG gets the address, then a line for each request: its path and its range. The first CUTS downloads
end in the middle.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER, LOG, CUTS = Path(sys.argv[1]), Path(sys.argv[2]), [None] * int(sys.argv[3])


def log(line: str) -> None:
    with LOG.open("a") as file:
        file.write(f"{line}\n")


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        span = self.headers.get("Range") or ""
        log(f"{self.path} {span}")
        if self.path.startswith("/simple/"):
            links = [f'<a href="../../files/{path.name}#x">x</a>' for path in FOLDER.iterdir()]
            self.answer(" ".join(links).encode(), 200)
            return
        path = FOLDER / self.path.rpartition("/")[2]
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        start = int(span.removeprefix("bytes=").partition("-")[0]) if span else 0
        self.answer(content[start:], 206 if span else 200, start, len(content))

    def answer(self, body: bytes, status: int, start: int = 0, total: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()
        cut = total and CUTS and not CUTS.pop()
        self.wfile.write(body[: len(body) // 2] if cut else body)


with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
    log(f"http://127.0.0.1:{server.server_port}")
    server.serve_forever()
