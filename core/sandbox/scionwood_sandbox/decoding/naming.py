"""Name readers and functions: for messages, for the child that imports them, and by size."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Any

from scionwood_sandbox import settings
from scionwood_sandbox.errors import ReadError

_LISTED = 100_000
_SMALL = 64 << 10


def label(target: Any) -> str:
    """Return what a message calls a reader, its class and its endings, or a function."""
    endings = getattr(target, "suffixes", ())
    return f"{target.__name__} ({', '.join(endings[:4])})" if endings else target.__name__


def package_of(target: Any) -> str:
    """Return the package of a reader or a function."""
    return str(target.__module__.partition(".")[0])


def home_of(target: Any) -> list[str]:
    """Return the module and the dotted name by which a child imports a reader or a function."""
    if target.__module__ == "__main__" or "<locals>" in target.__qualname__:
        rule = "a child cannot import it, because it is defined in a script or a function"
        remedy = f"Move it into a module, or set {settings.inline()}"
        raise ReadError(f"reader {target.__name__}", rule, remedy)
    return [target.__module__, target.__qualname__]


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of what lies in a folder; a small file there counts 64 KiB.

    Of a larger folder, the first 100,000 files are counted. A path that cannot be read has none.
    """
    try:
        if not path.is_dir():
            return path.stat().st_size
        return sum(max(size, _SMALL) for size in islice(_sizes(path), _LISTED))
    except OSError:
        return 0


def _sizes(folder: Path) -> Any:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.stat(os.path.join(place, name)).st_size
            except OSError:  # it is gone, or a link to nothing
                continue
