"""Memory that a file may claim, and errors that say which file is at fault."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scionwood import ReadError, ScionwoodError

LARGEST = 4 << 30
"""Bytes that one record may take in memory, unless the reader is told otherwise."""

INFLATED = 512 << 20
"""Bytes that a compressed file may grow to before its content is looked at."""


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn what a library says of a damaged file into a ReadError.

    Args:
        path: the file.
        kind: its format, for the message.
    """
    try:
        yield
    except ScionwoodError:
        raise
    except FileNotFoundError as error:
        raise ReadError(str(path), "no such file is there", "Check the path") from error
    except RecursionError as error:
        rule = f"{kind}: its sequences are nested too deeply"
        raise ReadError(
            str(path), rule, "Such a file is damaged or hostile: ask for another"
        ) from error
    except MemoryError as error:
        rule = f"{kind}: it declares more data than memory holds"
        raise ReadError(str(path), rule, "Check the file's sizes, or split it") from error
    except Exception as error:  # parsers raise nearly anything on damaged input
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        rule = f"it is no readable {kind} file ({reason})"
        raise ReadError(str(path), rule, "Copy it again, or name the right format") from error


def check_inflated(path: Path, kind: str, *, skip: int = 0, window: int = zlib.MAX_WBITS) -> None:
    """Refuse a compressed file that grows beyond `INFLATED` bytes, without keeping what comes out.

    Args:
        path: the file.
        kind: its format, for the message.
        skip: bytes before the compressed part.
        window: as zlib's `wbits`: negative for raw deflate, 16 more for gzip.

    Raises:
        ReadError: it grows too large, or is damaged.
    """
    engine, total = zlib.decompressobj(window), 0
    with path.open("rb") as file:
        file.seek(skip)
        while block := file.read(1 << 16):
            while block:
                total += len(engine.decompress(block, 1 << 20))
                block = engine.unconsumed_tail
                if total > INFLATED:
                    rule = f"{kind}: it inflates to more than {INFLATED:,} bytes"
                    raise ReadError(str(path), rule, "Decompress it yourself if you trust it")
