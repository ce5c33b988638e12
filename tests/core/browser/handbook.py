"""Build the site once for all tests of a session, and serve what is built."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

ROOT = Path(__file__).parents[3]
HOSTED = ("SCIONWOOD_VERSION", "SCIONWOOD_VERSIONS")
VERSIONS = ROOT / "docs" / "_ext" / "versions.py"


def built(base: Path) -> Path:
    """Return the folder of the site under `base`, built as `make docs` builds it."""
    folder = base / "site"
    if not (folder / "objects.inv").exists():
        build(folder, folder / ".doctrees", {})
    return folder


def build(folder: Path, parsed: Path, environment: dict[str, str]) -> None:
    """Build the site; the pages that `parsed` holds are not parsed again."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    # The hosted job sets a version, whose list of versions a test must not fetch.
    kept = {name: text for name, text in os.environ.items() if name not in HOSTED}
    run = subprocess.run(
        [*command, "-d", parsed, ROOT / "docs", folder],
        capture_output=True,
        text=True,
        check=False,
        env=kept | environment,
    )
    assert run.returncode == 0, run.stdout + run.stderr


class Quiet(SimpleHTTPRequestHandler):
    """A handler that prints no line for each request."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine alone, and yield its address."""
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
