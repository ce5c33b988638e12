"""Serving: versions under load, memory, hostile requests."""

from __future__ import annotations

from text import Tables, read, table

OWN = ("machine", "cores", "scionwood", "scionwood-serve", "torch", "litserve")


def _all(name: str) -> str:
    rows = read(name)
    head = [key for key in rows[0] if key not in OWN]
    return table(head, [[row[key] for key in head] for row in rows])


def concurrency() -> str:
    """Requests in threads over swaps: what was off its version, and what was lost."""
    return _all("serve_concurrency")


def memory() -> str:
    """The memory of the worker with one adapter and with ten more."""
    return _all("serve_memory")


def latency() -> str:
    """The time of an answer, alone and beside a shadow."""
    return _all("serve_latency")


def together() -> str:
    """Throughput of requests that are computed together and of each alone."""
    return _all("serve_together")


def hostile() -> str:
    """Each hostile request: status, time, memory, and the rule that the answer states."""
    rows = read("serve_hostile")
    head = ["request", "status", "s", "peak MB", "worker", "rule"]
    return table(head, [[row[key].replace("|", "/") for key in head] for row in rows])


TABLES: Tables = {
    "serve_concurrency": concurrency,
    "serve_memory": memory,
    "serve_latency": latency,
    "serve_together": together,
    "serve_hostile": hostile,
}
