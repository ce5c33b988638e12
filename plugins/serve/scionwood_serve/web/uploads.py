"""Receive the body of a request into a folder of its own, block by block, under a limit."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.requests import ClientDisconnect

from scionwood import ReadError
from scionwood.authoring import check_zip
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.web.arrays import ENDING, check_array, no_constant, write_array
from scionwood_serve.web.limits import LARGEST_JSON, Limits

NAME = re.compile(r"[^\W_][\w .+-]{0,99}")
"""The name of a file: it begins with a letter or digit, and holds no `/`."""

_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Upload:
    """What a request has sent.

    Attributes:
        path: the file; of an array in JSON a `.npy` file.
        digest: the SHA-256 of the body.
        units: of an array in JSON, its units; otherwise `None`.
    """

    path: Path
    digest: str
    units: str | None = None


@asynccontextmanager
async def folder_for(root: Path) -> AsyncIterator[Path]:
    """Make a folder for one request, and remove it if the block fails.

    Args:
        root: the folder of all requests.
    """
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


async def receive(request: Request, folder: Path, name: str, limits: Limits) -> Upload:
    """Write the body of a request to a file, as it arrives.

    A zip archive is refused by the sizes that it declares, before any of it is inflated. The reader
    then counts what it inflates to.

    Args:
        request: the request; its body is the file, or JSON with the key `text` or `array`.
        folder: the folder of this request.
        name: the name of the file, whose ending selects the reader.
        limits: the limits of the server.

    Raises:
        ServingError: the name is none, or the body is empty, too large, too slow or no such JSON;
            or a zip archive declares too much, or holds more than plain files.
    """
    is_json = request.headers.get("content-type", "").partition(";")[0] == "application/json"
    max_bytes = min(limits.max_bytes, LARGEST_JSON) if is_json else limits.max_bytes
    name = name or ("request.txt" if is_json else "")
    if not NAME.fullmatch(name) or name.endswith((" ", ".")):
        rule = "the name of the file has letters, digits and ._+- , and no folder"
        raise ServingError(f"file {name[:120]!r}", rule, "Name it: ?file=line.sgy", 400)
    content_length = request.headers.get("content-length", "0")
    if content_length.isdigit() and int(content_length) > max_bytes:
        raise _too_large(name, f"{int(content_length):,} bytes", max_bytes)
    target = folder / name
    try:
        digest = await write_body(request, target, max_bytes)
    except ClientDisconnect as error:
        rule = "the client went away before the end"
        raise ServingError(f"file {name!r}", rule, "Send it again", 400) from error
    if target.stat().st_size == 0:
        remedy = "Send the file as the body of the request"
        raise ServingError(f"file {name!r}", "it is empty", remedy, 400)
    if is_json:
        return await asyncio.to_thread(_unwrap, target, digest)
    await asyncio.to_thread(_check, target)
    return Upload(target, digest)


def _check(target: Path) -> None:
    """Refuse archives and arrays by their headers, without the place of the file in the message."""
    with target.open("rb") as file:
        start = file.read(len(_ZIP))
    try:
        if start == _ZIP:
            check_zip(target, "zip archive", allow_repeats=True, inflate=False)
        if target.suffix.lower() == ENDING:
            check_array(target)
    except ReadError as error:
        rule = error.rule.replace(f"{target.parent}/", "")
        raise ServingError(f"file {target.name!r}", rule, error.remedy) from error


async def write_body(request: Request, target: Path, max_bytes: int) -> str:
    """Write a body to a file as it arrives, and return its SHA-256.

    Args:
        request: the request.
        target: the file.
        max_bytes: the most bytes.

    Raises:
        ServingError: it is larger.
    """
    size, digest = 0, hashlib.sha256()
    with target.open("wb") as file:
        async for block in request.stream():
            size += len(block)
            if size > max_bytes:
                raise _too_large(target.name, f"more than {max_bytes:,} bytes", max_bytes)
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


def _too_large(name: str, size: str, max_bytes: int) -> ServingError:
    rule = f"it has {size}, and this server accepts {max_bytes:,}"
    return ServingError(f"file {name!r}", rule, "Send less, or start with --max-bytes", 413)


def _unwrap(target: Path, digest: str) -> Upload:
    """Replace JSON by the text or the array in it."""
    try:
        body = json.loads(target.read_bytes(), parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        raise _no_json() from error
    match body:
        case {"text": str(text), **rest} if not rest:
            target.write_bytes(text.encode())
            return Upload(target, digest)
        case {"array": _}:
            place = target.with_name(f"{target.stem}{ENDING}")
            return Upload(place, digest, write_array(body, place))
    raise _no_json()


def _no_json() -> ServingError:
    rule = 'it is not a JSON object with the key "text" alone, or with the key "array"'
    return ServingError("JSON", rule, 'Such as {"text": "..."} or {"array": [[0.5, 1]]}', 400)
