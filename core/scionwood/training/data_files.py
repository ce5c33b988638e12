"""Read the files of a data set: one child for each folder, and a rule for files that are bad."""

from __future__ import annotations

import csv
import io
import logging
import re
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Literal, TypeVar, final

import lightning as L
from lightning.pytorch.callbacks import Callback

from scionwood.errors import ReadError
from scionwood_sandbox.decoding import switch
from scionwood_sandbox.decoding.session import Session
from scionwood_sandbox.files import atomic_path, reading, writing
from scionwood_sandbox.regular import open_regular

SKIPPED = "skipped.csv"
"""The files that a run skipped, with the reason of each: columns `file` and `reason`."""

OnBadFile = Literal["raise", "skip"]
T = TypeVar("T")

_FOLDERS = 8  # children that one process keeps
_LARGEST = 64 << 20
_log = logging.getLogger("scionwood.training")
_decided: ContextVar[Mapping[str, str] | None] = ContextVar("decided", default=None)


@final
class DataFiles:
    r"""The files of a data set that a user names; a data component keeps it as `data_files`.

    Where readers decode in children, one child reads all files below a folder, in each process. It
    may read below that folder alone. With `skip`, files that cannot be read are left out when the
    data set is set up. A run that is resumed or tested leaves out the same files.

    Args:
        on_bad_file: `raise` stops at a file that cannot be read, `skip` leaves it out.
        roots: what the user named, see `also`.

    Attributes:
        skipped: the reason for each file that was left out.

    Example:
        >>> from pathlib import Path
        >>> for name in ("a.txt", "b.txt", "c.txt"):
        ...     size = Path(name).write_bytes(b"\xff" if name == "b.txt" else b"1.5")
        >>> def number(path):
        ...     with authoring.reading(path, "number"):
        ...         return float(path.read_text("utf-8"))
        >>> files = authoring.DataFiles("skip", ["*.txt"])
        >>> list(files.readable(sorted(Path().glob("*.txt")), number).values())
        [1.5, 1.5]
        >>> list(files.skipped)
        ['b.txt']
    """

    def __init__(self, on_bad_file: OnBadFile, roots: Iterable[str | Path]) -> None:
        self.on_bad_file: OnBadFile = on_bad_file
        self.skipped: dict[str, str] = {}
        self.count = 0
        self._roots: list[Path] = []
        self.also(roots)
        self._sessions: OrderedDict[Path, Session] = OrderedDict()
        self._decided = _decided.get() if on_bad_file == "skip" else None

    def also(self, roots: Iterable[str | Path]) -> None:
        """Let files be read below further folders.

        Args:
            roots: files, folders, and patterns; a pattern stands for the folders before its first
                wildcard.
        """
        folders = {_root(str(name)) for name in roots} | set(self._roots)
        self._roots = sorted(folders, key=lambda root: -len(root.parts))

    def readable(
        self,
        paths: Iterable[Path],
        read: Callable[[Path], T],
        check: Callable[[Path], object] | None = None,
    ) -> dict[Path, T]:
        """Return what reading each file gives, in order, without the files that are skipped.

        Args:
            paths: the files.
            read: reads what the data set must know of a file.
            check: reads all of it. With `skip` it is called once for each file of a new run, so
                that no file fails later.

        Raises:
            ReadError: a file cannot be read, or with `skip` more than half of them.
        """
        out: dict[Path, T] = {}
        decides = self.on_bad_file == "skip" and self._decided is None
        for path in paths:
            self.count += 1
            if self._decided is not None and str(path) in self._decided:
                self.skipped[str(path)] = self._decided[str(path)]
                continue
            try:
                with self._active(path) if decides else self.one_child(path):
                    out[path] = read(path)
                    if decides and check is not None:
                        check(path)
            except ReadError as error:
                if not decides:
                    raise
                out.pop(path, None)
                self.skipped[str(path)] = str(error)
                _log.warning("skipped: %s", error)
        self._refuse_most()
        return out

    @contextmanager
    def one_child(self, path: Path) -> Iterator[None]:
        """Read a file inside the block in the child of its folder.

        Raises:
            ReadError: the file cannot be read. With `skip` the message says that it could be read
                when the run began.
        """
        try:
            with self._active(path):
                yield
        except ReadError as error:
            if self.on_bad_file == "raise":
                raise
            rule = f"{error.rule}; it was not bad when the run began, and an index keeps its file"
            remedy = "Restore the file and resume the run, or start a new run"
            raise ReadError(error.value, rule, remedy) from error

    def _active(self, path: Path) -> AbstractContextManager[None]:
        target = path.resolve()
        root = next((folder for folder in self._roots if target.is_relative_to(folder)), None)
        if root is None:
            rule = f"it leads to {target}, outside of the folder that the data set names"
            raise ReadError(str(path), rule, "Copy the file there, or name it by itself")
        # A child may not read all that a user has: then each file has a child of its own.
        if not switch.is_enabled() or Path.home().is_relative_to(root):
            return nullcontext()
        if root not in self._sessions and len(self._sessions) >= _FOLDERS:
            self._sessions.popitem(last=False)
        session = self._sessions.setdefault(root, Session(root))
        self._sessions.move_to_end(root)
        return session.active()

    def _refuse_most(self) -> None:
        if 2 * len(self.skipped) <= self.count:
            return
        first, reason = next(iter(self.skipped.items()))
        value = f"{len(self.skipped)} of {self.count} files of the data"
        rule = f"they cannot be read, and at most half may be skipped; {first} is the first"
        raise ReadError(value, rule, f"Mend or remove them. The reason of the first: {reason}")


def write_skipped(folder: Path, files: DataFiles) -> None:
    """List the files that were skipped in a run folder; a list that is there stays."""
    path = folder / SKIPPED
    if not files.skipped or path.exists():
        return
    with (
        writing(path),
        atomic_path(path) as part,
        part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out,
    ):
        table = csv.writer(out)
        table.writerow(["file", "reason"])
        table.writerows(files.skipped.items())


@contextmanager
def reuse_skipped_files(folder: Path | None) -> Iterator[None]:
    """Let data sets that are made inside the block skip the files that a run skipped.

    Args:
        folder: the run folder; `None` for a new run.
    """
    token = _decided.set(None if folder is None else _listed(folder / SKIPPED))
    try:
        yield
    finally:
        _decided.reset(token)


def _listed(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with reading(path, "list of skipped files"), open_regular(path) as file:
        text = file.read(_LARGEST).decode("utf-8", "surrogateescape")
        rows = csv.DictReader(io.StringIO(text, newline=""))
        return {row["file"]: row["reason"] for row in rows}


def _root(pattern: str) -> Path:
    """Return the folder that a path or a pattern names: the part before the first wildcard."""
    path = Path(pattern)
    if path.exists():
        target = path.resolve()
        return target if target.is_dir() else target.parent
    parts = path.parent.parts
    fixed = next((n for n, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts))
    return Path(*parts[:fixed]).resolve()


@final
class SkippedFiles(Callback):
    """List the files that a run skipped in its folder before it begins, and say how many."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Write the list; the data are set up already."""
        files = _of(trainer)
        if files is not None and trainer.is_global_zero:
            write_skipped(self.folder, files)

    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say how many files were skipped."""
        files = _of(trainer)
        if files is not None and files.skipped and trainer.is_global_zero:
            count = f"{len(files.skipped)} of {files.count} files were skipped"
            print(f"{count}; {self.folder / SKIPPED} lists them with reasons", file=sys.stderr)


def _of(trainer: L.Trainer) -> DataFiles | None:
    files = getattr(getattr(trainer, "datamodule", None), "data_files", None)
    return files if isinstance(files, DataFiles) else None
