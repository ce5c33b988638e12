"""Work that runs here, or on the workers of `dask.distributed` if a client of it is active."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2
"""Items in work or waiting for each thread of the workers, so that memory stays bounded."""


def apply_to_items(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield the result of a function for each item, in the order in which they are ready.

    With an active client of `dask.distributed`, the function is sent to its workers once, and
    results come back as they are made. Else everything runs in this process, in the given order.

    Args:
        function: the function. For workers, it and the items must be picklable.
        items: what it is called with.
    """
    client = active_client()
    if client is None:
        yield from map(function, items)
        return
    completed = sys.modules["distributed"].as_completed
    shared = client.scatter(function, broadcast=True, hash=False)
    left = iter(items)
    first = islice(left, AHEAD * max(1, sum(client.nthreads().values())))
    running = completed([client.submit(_called, shared, item, pure=False) for item in first])
    for future in running:
        yield future.result()
        for item in islice(left, 1):
            running.add(client.submit(_called, shared, item, pure=False))


def active_client() -> Any:
    """Return the active client of `dask.distributed`, or `None` without one."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:  # there is none
        return None


def _called(function: Callable[[Item], Result], item: Item) -> Result:
    """Call a function on a worker; arrays of dask that it reads are computed in this thread."""
    import dask

    with dask.config.set(scheduler="synchronous"):
        return function(item)
