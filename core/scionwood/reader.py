"""The contract of a reader: open a file, yield its records, write back a changed copy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Record:
    """One unit of a file that is processed whole: a gather, a mesh frame, a slice.

    Attributes:
        key: what identifies it inside the file, `{"fldr": 1001}`.
        data: the values; its axes are the reader's `dims`.
        coords: one array for each axis that has coordinates, in the reader's `units`.
    """

    key: Mapping[str, int | str]
    data: np.ndarray
    coords: Mapping[str, np.ndarray] = field(default_factory=dict)


class Reader(ABC):
    """Opens `path`, or raises `ReadError` that names the file, the rule and the remedy.

    A subclass takes its path first and its configuration as keyword-only parameters, is usable in
    a `with` statement, and keeps at most a record in memory.

    Attributes:
        suffixes: the file endings of the format, `(".sgy", ".segy")`.
        dims: the names of a record's axes, in order, `("trace", "time")`.
        units: a unit for each axis and for `data` itself, `{"time": "s", "data": "unknown"}`.
        dtype: the numpy dtype name of `Record.data`.
    """

    suffixes: ClassVar[tuple[str, ...]]
    dims: tuple[str, ...]
    units: Mapping[str, str]
    dtype: str = "float32"

    @abstractmethod
    def __len__(self) -> int:
        """The number of records."""

    @abstractmethod
    def __iter__(self) -> Iterator[Record]:
        """The records in the file's order, read as they are asked for."""

    @abstractmethod
    def rewrite(
        self, target: Path, function: Callable[[Record], np.ndarray], *, overwrite: bool = False
    ) -> None:
        """Write a copy of the file to `target`, each record's data replaced by `function(record)`.

        All that is not data keeps its bytes. `target` appears whole or not at all.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the disk is full, or the data's shape changed.
        """

    @classmethod
    @abstractmethod
    def write_sample(cls, path: Path) -> None:
        """Write a small valid file, which the conformance kit reads and then damages."""

    def close(self) -> None:  # noqa: B027 - a reader without open handles has nothing to do
        """Release what the reader holds open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
