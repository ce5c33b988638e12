"""Learn what a reader imports on its way, from its own sample and never from a stranger's file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from scionwood.errors import ScionwoodError


def imported_by(cls: Any, folder: Path) -> list[str]:
    """Return the modules that this process holds after it read a reader's own samples."""
    for suffix in cls.suffixes:
        path = folder / f"sample{suffix}"
        try:
            cls.write_sample(path)
            with cls(path) as reader:
                for _ in reader:
                    pass
        except (ScionwoodError, ImportError, TypeError):
            # An extra is missing, or an option is required. What was imported so far is enough:
            # a module that is missing here is imported by each child.
            continue
    return sorted(name for name in list(sys.modules) if name[0] != "_" and name != "__main__")
