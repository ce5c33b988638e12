"""The contract of a reader: open a file, yield its records, write a changed copy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self, TypeAlias

from scionwood_sandbox.record import Record as Record

if TYPE_CHECKING:
    import numpy as np


RecordFunction: TypeAlias = "Callable[[Record], np.ndarray]"
"""Takes a record and returns its new data, an array of the same shape."""


class Reader(ABC):
    """Opens a file, or raises a `ReadError` that names the file, the rule and the remedy.

    A subclass takes its path first and its configuration as keyword-only parameters. It is usable
    in a `with` statement, and keeps at most one record in memory.

    In commands, and with `SCIONWOOD_READERS=service`, the file is decoded in a child process; see
    docs/readers.md.

    Attributes:
        suffixes: the file endings of the format, `(".sgy", ".segy")`.
        remote: the public methods, besides `read`, that touch the file. They run in the child.
        beside: whether the format has parts in other files of the same folder.
        leaves: the files that a stopped `rewrite` leaves beside its target, to be resumed, such as
            `".{name}.part"`.
        dims: the names of a record's axes, in order, `("trace", "time")`.
        units: a unit for each axis and for `data`, `{"time": "s", "data": "unknown"}`.
        dtype: the numpy dtype name of `Record.data`.

    Example:
        >>> from pathlib import Path
        >>> segy = scionwood.load("readers", "seismic/segy")
        >>> segy.write_sample(Path("shot.sgy"))
        >>> with segy("shot.sgy") as reader:
        ...     reader.dims, next(iter(reader)).data.shape
        (('trace', 'time'), (24, 64))
    """

    suffixes: ClassVar[tuple[str, ...]]
    remote: ClassVar[tuple[str, ...]] = ()
    beside: ClassVar[bool] = False
    leaves: ClassVar[tuple[str, ...]] = ()
    dims: tuple[str, ...]
    units: Mapping[str, str]
    dtype: str = "float32"

    def __new__(cls, *_: object, **__: object) -> Self:
        """Make the reader, or one whose decoding happens in a child where that is switched on."""
        from scionwood_sandbox.decoding import switch

        if not switch.is_enabled() or cls.__abstractmethods__ or hasattr(cls, "_original"):
            return super().__new__(cls)
        from scionwood_sandbox.decoding.remote import remote_class

        reader: Self = object.__new__(remote_class(cls))
        return reader

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of records."""

    @abstractmethod
    def __iter__(self) -> Iterator[Record]:
        """Yield the records in the order of the file; each is read when it is asked for."""

    @abstractmethod
    def rewrite(
        self, target: str | Path, function: RecordFunction, *, overwrite: bool = False
    ) -> None:
        """Write a copy of the file in which `function(record)` replaces the data of each record.

        Everything that is not data keeps its bytes. `target` appears completely or not at all.

        Args:
            target: the file to write.
            function: takes a record and returns its new data, an array of the same shape.
            overwrite: replace a file that exists.

        Raises:
            OutputExistsError: `target` exists and `overwrite` is false.
            WriteError: the disk is full, or a shape changed.
        """

    @classmethod
    @abstractmethod
    def write_sample(cls, path: Path) -> None:
        """Write a small valid file, which the conformance kit reads and then damages."""

    def close(self) -> None:  # noqa: B027 - a reader without open handles has nothing to do
        """Close the files that the reader has open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
