"""A full disk as an error that says what was not written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scionwood.errors import WriteError


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Turn what the disk says into a `WriteError`.

    Raises:
        WriteError: naming what was being written; its old content is whole.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(
            what,
            f"it could not be written ({error.strerror})",
            "Free some space, then resume from the last checkpoint, which is whole",
        ) from error
