"""A function that reads a file and is no reader, with a sample that can be damaged."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scionwood.errors import WriteError
from scionwood.files.reader import Reader, Record, RecordFunction


class Parser(Reader):
    r"""Declares a function that reads a file, so that `scionwood check --fuzz` can damage a sample.

    A plugin names its parsers in `Plugin.parsers`. Each is a class with `suffixes`, `parse` and
    `write_sample`.

    Args:
        path: the file or folder.

    Raises:
        ScionwoodError: what the function raises.

    Example:
        class Table(Parser):
            suffixes = (".csv",)

            @classmethod
            def parse(cls, path: Path) -> object:
                return read_table(path)

            @classmethod
            def write_sample(cls, path: Path) -> None:
                path.write_text("name,depth\na,1.5\n")
    """

    dims = ("byte",)
    dtype = "uint8"

    def __init__(self, path: str | Path) -> None:
        self.units = {"byte": "1", "data": "1"}
        self._items = _listed(self.parse(Path(path)))

    @classmethod
    @abstractmethod
    def parse(cls, path: Path) -> object:
        """Call the function on a file, and return what it returns."""

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Record]:
        for number, item in enumerate(self._items):
            yield Record({"item": number}, np.frombuffer(item, np.uint8))

    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Refuse: a function that reads cannot write.

        Raises:
            WriteError: always.
        """
        raise WriteError(str(target), "a parser writes no files", "Use a reader")


def _listed(result: Any) -> list[bytes]:
    """Return what a function returned as bytes: an item of a list or mapping each."""
    if isinstance(result, Mapping):
        result = list(result.items())
    items = result if isinstance(result, list | tuple) else [result]
    return [
        item.tobytes() if isinstance(item, np.ndarray) else repr(item).encode("utf-8", "replace")
        for item in items
    ]
