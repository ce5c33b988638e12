"""Pages of results that are kept for a while, under addresses that nobody can guess."""

from __future__ import annotations

import secrets
import shutil
import time
from collections import OrderedDict
from pathlib import Path

from scionwood_serve.versions.problem import ServingError


class Results:
    """The pages of the last results.

    Args:
        capacity: how many are kept.
        seconds: for how long.
    """

    def __init__(self, capacity: int, seconds: float) -> None:
        self.most, self.seconds = capacity, seconds
        self._kept: OrderedDict[str, tuple[float, Path, Path]] = OrderedDict()

    def keep(self, folder: Path, page: Path) -> str:
        """Keep the page of a result, and return its key.

        Args:
            folder: the folder of the request, which is removed later.
            page: the page in it.
        """
        key = secrets.token_urlsafe(18)
        self._kept[key] = (time.monotonic() + self.seconds, folder, page)
        self.clean()
        return key

    def page(self, key: str) -> Path:
        """Return a page.

        Raises:
            ServingError: it is not kept, or not any more.
        """
        self.clean()
        if key not in self._kept:
            raise ServingError("page of a result", "it is not kept any more", "Ask again", 404)
        return self._kept[key][2]

    def clean(self) -> None:
        """Remove what is too old, or too many."""
        now = time.monotonic()
        while self._kept:
            key, (until, folder, _) = next(iter(self._kept.items()))
            if until > now and len(self._kept) <= self.most:
                return
            del self._kept[key]
            shutil.rmtree(folder, ignore_errors=True)
