"""Read one file as a user would, and say what became of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np

from scionwood.errors import ReadError, ScionwoodError
from scionwood.plugins.discovery import resolve
from scionwood_sandbox import Limits, Session, open_in_child
from scionwood_sandbox.decoding.calls import open_channel
from scionwood_sandbox.decoding.switch import possible

HARMLESS = ("equal", "values", "shapes", "refused")
"""What may become of a damaged file: read as before, with other values, with other records or
shapes, or refused by an error that names value, rule and remedy."""

FAULTS = ("foreign", "died", "time", "memory", "death", "hang", "escaped")
"""What must not: an exception of a library; the decoder died, took too long or too much memory,
which the service turns into an error; the two that reach the caller; and a hostile file that ran
code, or whose records come from a file beside it."""

Digest = list[tuple[str, tuple[int, ...], str, str]]
"""Of each record: its key, its shape, its dtype and the hash of its values."""


@dataclass(frozen=True)
class Reading:
    """What became of one file.

    Attributes:
        kind: one of `HARMLESS` or `FAULTS`.
        detail: the error, if there was one.
    """

    kind: str
    detail: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether it must not happen."""
        return self.kind in FAULTS

    @property
    def cause(self) -> str:
        """The kind and the error without its numbers and names: equal causes are one finding."""
        return re.sub(r"[^A-Za-z]+", " ", f"{self.kind} {self.detail}")[:60].strip()


class Probe:
    """Reads files below a folder with one reader, in one warm child of the reader service.

    Where the service is not possible, the reader runs in this process.

    Args:
        reference: the class of the reader as `module:attribute`.
        folder: the folder of the files.
        service: false to read in this process anywhere.
        limits: how much a child may use; `None` means the limits of the service.
    """

    def __init__(
        self,
        reference: str,
        folder: Path,
        *,
        service: bool = True,
        limits: Limits | None = None,
    ) -> None:
        self.cls: Any = resolve(reference, reference)
        self.baseline: Digest | None = None
        self._service = service and possible()
        self._session = Session(folder, limits=limits)

    def __enter__(self) -> Self:
        self._session.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._session.__exit__()

    def learn(self, path: Path) -> Reading:
        """Read an undamaged file: later readings are compared with it."""
        self.baseline = None
        return self.read(path)

    def read(self, path: Path) -> Reading:
        """Read every record of a file."""
        channel = open_channel(self.cls, self._session.root)[0] if self._service else None
        try:
            digest = self._digest(path)
        except BaseException as error:  # a reader may raise anything, and that is a finding
            if isinstance(error, KeyboardInterrupt):
                raise
            failed = _failed(error, getattr(channel, "cause", None))
            return Reading(failed.kind, failed.detail.replace(f"{path.parent}/", ""))
        return self._compared(digest)

    def _digest(self, path: Path) -> Digest:
        opening = open_in_child if self._service else _inline
        out: Digest = []
        with opening(self.cls, path) as reader:
            for record in reader:
                data = np.ascontiguousarray(record.data)
                values = sha256(data.tobytes())
                for name, line in sorted(record.coords.items()):
                    values.update(name.encode() + np.ascontiguousarray(line).tobytes())
                out.append((str(dict(record.key)), data.shape, str(data.dtype), values.hexdigest()))
        return out

    def _compared(self, digest: Digest) -> Reading:
        if self.baseline is None:
            self.baseline = digest
        if digest == self.baseline:
            return Reading("equal")
        shapes = [line[1:3] for line in digest] == [line[1:3] for line in self.baseline]
        return Reading("values" if shapes else "shapes")


def _inline(cls: Any, path: Path) -> Any:
    return cls(path)


def _failed(error: BaseException, cause: tuple[str, str] | None) -> Reading:
    text = f"{type(error).__name__}: {error}"
    if cause:
        return Reading(_ending(cause[0]), cause[0])
    if isinstance(error, MemoryError):
        return Reading("memory", text)
    if not isinstance(error, ScionwoodError):
        return Reading("foreign", text)
    if isinstance(error, ReadError) and ": its reader failed (" in error.rule:
        return Reading("foreign", error.rule.partition(": its reader failed (")[2])
    if "it needs more memory than" in error.rule:
        return Reading("memory", error.rule)
    if not (error.value and error.rule and error.remedy):
        return Reading("foreign", f"an error without rule or remedy: {text}")
    return Reading("refused", text)


def _ending(rule: str) -> str:
    """Return why the service ended a child, by the words of `decoding.client`."""
    if "of CPU, and was ended" in rule or "gave no answer" in rule:
        return "time"
    return "foreign" if "outside of the protocol" in rule else "died"
