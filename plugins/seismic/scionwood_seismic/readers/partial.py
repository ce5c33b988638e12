"""A resumable output file: a stopped run leaves it under another name, a later run completes it."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Mapping
from glob import escape
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, final, runtime_checkable

from scionwood import ScionwoodError, WriteError
from scionwood.authoring import atomic_path, check_target
from scionwood_seismic.readers.positions import lock, open_binary, write_at

INTERVAL = 5.0  # s between two journal entries, each of which waits for the disk

PIECE = 256 << 10  # bytes per write; in a measurement, larger writes took 3 times the system time


@runtime_checkable
class NamedWork(Protocol):
    """A function of records that describes its work, so that the work can be resumed.

    Attributes:
        identity: everything that the result depends on besides the file; JSON values.
    """

    identity: Mapping[str, Any]


def partial_path(target: Path) -> Path:
    """Return the path of the unfinished `target`, `.NAME.part` beside it."""
    return target.with_name(f".{target.name}.part")


def forget_debris(target: Path) -> None:
    """Remove the remains of a journal of `target` that was being written during a kill."""
    journal = partial_path(target).with_name(f"{partial_path(target).name}.json")
    for debris in target.parent.glob(f".{escape(journal.stem)}-*.json"):
        debris.unlink(missing_ok=True)


@final
class Partial:
    """An unfinished file of its final size, and a journal of the completed units.

    When the `with` block ends without an error, the file is synced and gets its final name. A
    killed process leaves the file and the journal. An interruption leaves them too, and so does an
    error of named work that concerns neither the data nor the disk, such as a lack of memory. All
    other errors remove both. The journal records how many units were on the disk at that time.

    Args:
        target: the final name.
        size: size of the complete file, bytes; it is reserved at once.
        identity: what the work is; None for unnamed work, which has no journal.
        overwrite: replace `target` and an existing partial file.
        resume: continue with a partial file if there is one.
        complete: makes `target` of the complete partial file, which is then removed; by default
            the partial file gets the name of the target.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
        WriteError: a partial file exists, belongs to other work, or is being written.
    """

    def __init__(
        self,
        target: Path,
        size: int,
        identity: Mapping[str, Any] | None,
        *,
        overwrite: bool,
        resume: bool,
        complete: Callable[[Path], None] | None = None,
    ) -> None:
        self._complete = complete
        self.target, self.path = target, partial_path(target)
        self.journal = self.path.with_name(self.path.name + ".json")
        self.size, self.done, self._written = size, 0, time.monotonic()
        self._identity = None if identity is None else json.loads(json.dumps(identity))
        check_target(target, overwrite)
        if resume and identity is None:
            raise WriteError(str(target), "work without a name cannot be resumed", "Do not resume")
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.exists() and self.journal.exists()
        if unfinished and not resume and not overwrite:
            rule = f"an unfinished run left {self.path.name}"
            raise WriteError(str(target), rule, "--resume continues it, --force starts again")
        self._file = open_binary(self.path, writable=True)
        try:
            self._lock()
            if unfinished and resume:
                self.done = self._resumed()
            else:
                self._begin()
        except BaseException:
            self._close()
            raise

    def write(self, data: memoryview, offset: int) -> None:
        """Write bytes at an offset."""
        while data.nbytes:
            count = write_at(self._file, data[:PIECE], offset)
            data, offset = data[count:], offset + count

    def record(self, units: int) -> None:
        """Note the number of completed units; every `INTERVAL` seconds, also in the journal."""
        self.done = units
        if time.monotonic() - self._written >= INTERVAL:
            self.flush()

    def flush(self) -> None:
        """Sync the file to the disk, and then write the journal."""
        if self._identity is not None:
            os.fsync(self._file)
            self._write_journal()
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._finish()
            elif self._identity is None or isinstance(error, OSError | ScionwoodError):
                self._remove()
            else:
                self.flush()
        finally:
            self._close()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _finish(self) -> None:
        if self._complete is not None:
            self._complete_and_remove(self._complete)
            return
        os.fsync(self._file)
        if os.name == "nt":  # Windows renames no open file; elsewhere the lock lasts until the end
            self._close()
        os.replace(self.path, self.target)
        if hasattr(os, "O_DIRECTORY"):  # Windows has no handles of folders
            folder = os.open(self.target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        self._forget()

    def _complete_and_remove(self, complete: Callable[[Path], None]) -> None:
        self.flush()
        try:
            complete(self.path)
        except BaseException as error:
            if self._identity is None or isinstance(error, OSError | ScionwoodError):
                self._remove()
            raise
        self._remove()

    def _remove(self) -> None:
        if os.name == "nt":
            self._close()
        self.path.unlink(missing_ok=True)
        self._forget()

    def _forget(self) -> None:
        """Remove the journal, and the remains of one that was being written during a kill."""
        self.journal.unlink(missing_ok=True)
        forget_debris(self.target)

    def _lock(self) -> None:
        try:
            lock(self._file)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                return  # a file system without locks
            rule = f"another process is writing {self.path.name}"
            raise WriteError(str(self.target), rule, "Wait for it, or stop it") from error

    def _begin(self) -> None:
        try:
            self._reserve()
            if self._identity is None:
                self.journal.unlink(missing_ok=True)
            else:
                self._write_journal()
        except OSError:
            self._remove()
            raise

    def _reserve(self) -> None:
        """Reserve the space, so that a disk that is too small fails at once, not after hours."""
        os.ftruncate(self._file, 0)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file, 0, self.size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        os.ftruncate(self._file, self.size)

    def _resumed(self) -> int:
        remedy = "--force without --resume starts again"
        try:
            entry = json.loads(self.journal.read_text(encoding="utf-8"))
            units, identity = int(entry["done"]), dict(entry["work"])
        except (ValueError, KeyError, TypeError) as error:
            raise WriteError(str(self.journal), "it is not a journal of a run", remedy) from error
        assert self._identity is not None
        changed = sorted(
            key
            for key in identity.keys() | self._identity.keys()
            if identity.get(key) != self._identity.get(key)
        )
        if changed:
            differences = "; ".join(
                f"{key}: then {identity.get(key)}, now {self._identity.get(key)}" for key in changed
            )
            raise WriteError(
                str(self.target), f"the unfinished run differs ({differences})", remedy
            )
        if units < 0 or os.fstat(self._file).st_size != self.size:
            raise WriteError(str(self.path), "it does not have the reserved size", remedy)
        return units

    def _write_journal(self) -> None:
        with atomic_path(self.journal) as part:
            part.write_text(json.dumps({"done": self.done, "work": self._identity}, indent=1))
