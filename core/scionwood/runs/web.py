"""Fetch a zip archive from a web server, with a digest that the user knows."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from scionwood.errors import ReadError
from scionwood.runs.remote import ZipRun, check_address, refuse_offline
from scionwood_sandbox.files import writing

MIRROR = "SCIONWOOD_MIRROR"
"""The environment variable with the address of a folder that holds copies of archives."""

LARGEST = 32 << 30
"""Bytes that an archive may have at most."""

_WAIT = 30  # seconds without a byte
_BLOCK = 1 << 20


def _address(run: ZipRun) -> str:
    """Return where an archive is fetched: from its own server, or by its name from the mirror."""
    mirror = os.environ.get(MIRROR, "").rstrip("/")
    if not mirror:
        return run.url
    check_address(mirror)
    return f"{mirror}/{urlsplit(run.url).path.rpartition('/')[2]}"


def download(run: ZipRun, target: Path) -> None:
    """Fetch an archive, and compare its SHA-256 with that of the reference.

    Raises:
        ReadError: the server cannot be reached or lacks the file, the download is cut or too large,
            or the archive has another digest.
        TrainingError: the mirror is neither `https` nor on this machine.
        WriteError: the disk is full.
    """
    refuse_offline(str(run))
    url = _address(run)
    digest = fetch(url, target, f"Check the network, or name a mirror: {MIRROR}=https://...")
    if digest != run.sha256:
        rule = f"its SHA-256 is {digest}, not {run.sha256}"
        raise ReadError(url, rule, "Do not use it: it was changed, or the reference is wrong")


def fetch(url: str, target: Path, remedy: str = "Check the network") -> str:
    """Write what an address answers to a file, and return its SHA-256.

    A file that exists is the beginning of an earlier download. The rest of it is asked for.

    Raises:
        ReadError: the server cannot be reached or lacks the file, or the download is cut (what
            has arrived stays) or too large.
        WriteError: the disk is full.
    """
    # The last byte is asked for again, because a server refuses to send nothing.
    start = max(target.stat().st_size - 1, 0) if target.is_file() else 0
    from rich.console import Console
    from rich.progress import wrap_file

    with _opened(url, remedy, {"Range": f"bytes={start}-"} if start else {}) as answer:
        resumes = (answer.headers.get("Content-Range") or "").startswith(f"bytes {start}-")
        start = start if resumes else 0
        total, announced = start, start + int(answer.length or 0)
        print(f"fetching {url} ({announced / 1e6:.1f} MB)", file=sys.stderr)
        hidden = not (announced and sys.stderr.isatty())
        bar = wrap_file(answer, announced - start, console=Console(stderr=True), disable=hidden)
        with target.open("r+b" if start else "wb") as file, bar as blocks:
            file.truncate(file.seek(start))
            while max(total, announced) <= LARGEST and (block := blocks.read(_BLOCK)):
                total += len(block)
                with writing(target):
                    file.write(block)
    if max(total, announced) > LARGEST:
        rule = f"it has more than {LARGEST:,} bytes"
        raise ReadError(url, rule, "Ask its author for a smaller one")
    if total < announced:
        rule = f"only {total:,} of {announced:,} bytes arrived"
        raise ReadError(url, rule, "Try again: the connection was cut")
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(url: str) -> str:
    """Return the text of a page of at most 64 MiB."""
    with _opened(url, "Check the network", {}) as answer:
        return str(answer.read(64 << 20).decode("utf-8", "replace"))


@contextmanager
def _opened(url: str, remedy: str, headers: Mapping[str, str]) -> Iterator[Any]:
    request = Request(url, headers={"User-Agent": "scionwood", **headers})
    try:
        with build_opener(_Redirects).open(request, timeout=_WAIT) as answer:
            yield answer
    except HTTPError as error:
        reason = f"the server answers {error.code} ({error.reason})"
        error.close()
        raise ReadError(url, reason, "Check the address") from error
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())[:200]
        raise ReadError(url, f"the server cannot be reached ({reason})", remedy) from error


class _Redirects(HTTPRedirectHandler):
    """Follow a redirection to an encrypted address only."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        check_address(newurl)
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            rule = f"the server redirects to {newurl[:200]}, which is not encrypted"
            raise ReadError(req.full_url, rule, "Ask its author for another address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
