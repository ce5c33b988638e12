"""What a server allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """The limits of a server, and who may do what.

    Attributes:
        max_bytes: the most bytes of a request.
        queue: the most requests that are received, wait or compute at a time.
        timeout: seconds until an upload or an answer is given up.
        kept: pages of results that are kept, and for how many seconds.
        token: what a request has to carry; empty for none.
        root: runs below this folder may be put on the server; `None` for none.
        hosts: names by which the server may be called.

    Example:
        >>> from scionwood_serve.api import Limits
        >>> Limits(max_bytes=1 << 20).queue
        64
    """

    max_bytes: int = 256 << 20
    queue: int = 64
    timeout: float = 600.0
    kept: tuple[int, float] = (64, 600.0)
    token: str = field(default="", repr=False)
    root: Path | None = None
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
