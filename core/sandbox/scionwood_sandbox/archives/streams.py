"""Count what a compressed stream inflates to, in pieces and no further than a limit."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import IO

from scionwood_sandbox.errors import ReadError
from scionwood_sandbox.files import reading

INFLATED = 512 << 20
"""Bytes that a single compressed stream may inflate to, unless the caller says otherwise."""

GZIP = zlib.MAX_WBITS + 16
"""zlib's `wbits` for a gzip file."""

_READ, _PIECE = 1 << 16, 1 << 20


def check_inflated(
    path: str | Path,
    kind: str,
    *,
    skip: int = 0,
    window: int = zlib.MAX_WBITS,
    largest: int | None = None,
) -> None:
    """Refuse a compressed stream that inflates to too many bytes, without keeping them.

    Args:
        path: the file.
        kind: its format, for the message.
        skip: bytes before the compressed part.
        window: zlib's `wbits`: negative for raw deflate, `GZIP` (31) for gzip.
        largest: the most bytes; `None` means `INFLATED`.

    Raises:
        ReadError: it inflates to more, or is damaged.

    Example:
        >>> import zlib
        >>> from pathlib import Path
        >>> size = Path("zeros.z").write_bytes(zlib.compress(bytes(5000)))
        >>> from scionwood_sandbox import check_inflated
        >>> check_inflated("zeros.z", "zlib", largest=1000)
        Traceback (most recent call last):
        ...
        scionwood_sandbox.errors.ReadError: zeros.z: zlib: it inflates to more than 1,000 bytes. ...
    """
    path, limit = Path(path), INFLATED if largest is None else largest
    with reading(path, kind), path.open("rb") as file:
        file.seek(skip)
        if inflated_size(file, path.stat().st_size - skip, limit, window) > limit:
            rule = f"{kind}: it inflates to more than {limit:,} bytes"
            raise ReadError(str(path), rule, "Decompress it yourself if you trust it")


def inflated_size(file: IO[bytes], length: int, limit: int, window: int) -> int:
    """Return how many bytes the next `length` bytes of a file inflate to.

    Args:
        file: open at the start of the stream.
        length: of the stream, in bytes.
        limit: counting stops soon after this number.
        window: zlib's `wbits`.

    Raises:
        zlib.error: the stream is damaged.
    """
    engine, total = zlib.decompressobj(window), 0
    while length > 0 and (block := file.read(min(length, _READ))):
        length -= len(block)
        while block:
            if engine.eof and window != GZIP:
                return total
            if engine.eof:  # a gzip file may have several members, and zeros between them
                block = block.lstrip(b"\0")
                engine = zlib.decompressobj(window) if block else engine
                continue
            total += len(engine.decompress(block, _PIECE))
            if total > limit:
                return total
            block = engine.unused_data if engine.eof else engine.unconsumed_tail
    return total
