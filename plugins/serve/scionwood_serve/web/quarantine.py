"""Uploads that ended a worker, which are not tried again."""

from __future__ import annotations

import signal
from collections import OrderedDict
from datetime import datetime

from scionwood_serve.versions.problem import ServingError

UPLOADS_REMEMBERED = 10_000
"""How many uploads are remembered; beyond that the oldest is forgotten."""


class Quarantine:
    """The SHA-256 of uploads that ended a worker, in memory, until the server starts again.

    It is not kept in a file: the next version of a reader or a network may be able to do what this
    one cannot, and one more try costs one restart of the worker.

    Args:
        capacity: how many uploads are remembered.

    Example:
        >>> from scionwood_serve.web.quarantine import Quarantine
        >>> kept = Quarantine()
        >>> kept.check("00ff")
        >>> kept.add("00ff", "seismic/denoise", -11)
        >>> kept.check("00ff")
        Traceback (most recent call last):
            ...
        scionwood_serve.versions.problem.ServingError: ...it is not tried again...
    """

    def __init__(self, capacity: int = UPLOADS_REMEMBERED) -> None:
        self._most = capacity
        self._reasons: OrderedDict[str, str] = OrderedDict()

    def add(self, digest: str, service: str, code: int | None) -> None:
        """Remember an upload.

        Args:
            digest: the SHA-256 of its bytes.
            service: the service that it was sent to.
            code: the exit code of the worker; a negative one is a signal.
        """
        cause = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        when = datetime.now().astimezone().isoformat(timespec="seconds")
        self._reasons[digest] = f"the worker ended ({cause}) on it in {service}, {when}"
        while len(self._reasons) > self._most:
            self._reasons.popitem(last=False)

    def check(self, digest: str) -> None:
        """Refuse an upload that is remembered.

        Args:
            digest: the SHA-256 of its bytes.

        Raises:
            ServingError: saying when it ended the worker.
        """
        if digest in self._reasons:
            rule = f"{self._reasons[digest]}; it is not tried again"
            remedy = "Send another file. A server that is started anew tries it once more"
            raise ServingError(f"upload sha256={digest[:16]}", rule, remedy, 422)
