"""Watch what Python does: an audit hook cannot be taken back, so there is one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_lists: list[list[str]] = []


def _note(event: str, _: object) -> None:
    for events in _lists:
        events.append(event)


sys.addaudithook(_note)


@contextmanager
def audited() -> Iterator[list[str]]:
    """Yield a list that gets the names of all audit events of this block."""
    events: list[str] = []
    _lists.append(events)
    try:
        yield events
    finally:
        _lists.remove(events)
