"""How models compute on a server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineOptions:
    """Where the models of a server compute, and how many requests at a time.

    Attributes:
        device: where the models compute, such as cpu or cuda.
        threads: threads of torch; 0 leaves its default.
        together: the most waiting requests that are computed together, where a field can; 1
            computes each alone.
        beside: the most requests under way at a time. A second one starts if the first one takes
            longer than 2 s; 1 lets each wait for the one before it.

    Example:
        >>> from scionwood_serve import EngineOptions
        >>> EngineOptions(threads=2).device
        'cpu'
    """

    device: str = "cpu"
    threads: int = 0
    together: int = 8
    beside: int = 4
