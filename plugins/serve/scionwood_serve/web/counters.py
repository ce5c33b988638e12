"""What a server counts, in the text format of Prometheus."""

from __future__ import annotations

import time
from collections import deque

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
RECENT = 60.0
"""Seconds over which a percentile is taken."""


class Counters:
    """The counters of one server.

    Example:
        >>> from scionwood_serve import Counters
        >>> counters = Counters()
        >>> counters.answered("seismic/denoise", "clean", 200, 0.2)
        >>> b'service="seismic/denoise"' in counters.text()
        True
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.recent: deque[tuple[float, float]] = deque(maxlen=10_000)
        labels = ("service", "adapter", "status")
        of = self.registry
        self._requests = Counter(
            "scionwood_requests", "Requests by their status", labels, registry=of
        )
        self._seconds = Histogram(
            "scionwood_request_seconds",
            "Time of an answer",
            ("service",),
            buckets=BUCKETS,
            registry=of,
        )
        self.received = Counter("scionwood_received_bytes", "Bytes of the requests", registry=of)
        self.together = Counter(
            "scionwood_requests_together",
            "Requests that were computed together with others",
            ("service",),
            registry=of,
        )
        self.waiting = Gauge(
            "scionwood_requests_under_way", "Requests that are not answered", registry=of
        )
        self.swaps = Counter(
            "scionwood_swaps", "Versions that went live", ("adapter",), registry=of
        )
        self.shadow = Gauge("scionwood_shadow_running", "Whether a shadow trains now", registry=of)

    def answered(self, service: str, adapter: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            service: the service, such as `seismic/denoise`.
            adapter: the name of the adapter; empty if none was found.
            status: the HTTP status of the answer.
            seconds: the time from its arrival to its answer.
        """
        self._requests.labels(service, adapter, str(status)).inc()
        self._seconds.labels(service).observe(seconds)
        if status == 200:
            self.recent.append((time.monotonic(), seconds))

    def percentile(self, share: float) -> float:
        """Return a percentile of the time of the answers of the last minute, s; 0 without any.

        Args:
            share: such as 0.95.
        """
        while self.recent and self.recent[0][0] < time.monotonic() - RECENT:
            self.recent.popleft()
        ordered = sorted(seconds for _, seconds in self.recent)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def text(self) -> bytes:
        """Return all counters in the text format."""
        return generate_latest(self.registry)
