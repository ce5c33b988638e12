"""What a server allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

LARGEST_JSON = 1 << 20
"""The most bytes of a request in JSON."""


@dataclass(frozen=True)
class RequestLimits:
    """The limits of a server that its command sets.

    Attributes:
        max_bytes: the most bytes of a request.
        queue: the most requests under way: received, waiting or computed.
        timeout: seconds until an upload or an answer is given up.
        connections: the most connections. Beyond it the one that has waited longest for the headers
            of its request is closed.
        root: runs below this folder may be put on the server with `PUT /adapters/NAME`, which needs
            a token. By default there is none, and adapters cannot be put.
        trusted: the public key, or a folder of keys, of whoever may sign runs that are put; by
            default those that SCIONWOOD_REQUIRE_SIGNED names.
        unsigned: take runs that nobody signed.

    Example:
        >>> from scionwood_serve import RequestLimits
        >>> RequestLimits(queue=4).timeout
        600.0
    """

    max_bytes: int = 256 << 20
    queue: int = 64
    timeout: float = 600.0
    connections: int = 256
    root: Path | None = None
    trusted: Path | None = None
    unsigned: bool = False


@dataclass(frozen=True)
class Limits(RequestLimits):
    """The limits of a server, and who may do what.

    Attributes:
        headers: seconds in which the headers of a request have to arrive.
        grace: seconds that any body may take; a larger one may take 1 s more for each `rate` bytes.
        rate: the bytes that have to arrive each second, on average.
        kept: pages of results that are kept, and for how many seconds.
        token: what a request has to carry; empty for none.
        hosts: names by which the server may be called.

    Example:
        >>> from scionwood_serve import Limits
        >>> Limits(max_bytes=1 << 20).queue
        64
    """

    headers: float = 10.0
    grace: float = 20.0
    rate: int = 64 << 10
    kept: tuple[int, float] = (64, 600.0)
    token: str = field(default="", repr=False)
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
