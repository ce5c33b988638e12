"""The manifest of a map: one line of JSON for each change of a job, beside the results."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, final

from filelock import FileLock, Timeout

from scionwood.errors import ReadError
from scionwood_batch.errors import BatchError
from scionwood_sandbox.files import reading, writing

MANIFEST = "manifest.jsonl"

Status = Literal["queued", "done", "failed", "died", "skipped"]


@dataclass(frozen=True)
class Row:
    """What is known of one job.

    Attributes:
        target: the result, relative to the folder of the manifest.
        source: the file that was read; empty if the command reads nothing.
        stamp: the size of the source in bytes and its time of change in ns, when it was queued.
        command: `plugin/command`.
        key: a hash of the command, its options, the weights of its runs and its other files.
        status: `queued`, `done`, `failed` (an error of this job), or `died` (its workers ended
            without an answer). `skipped` rows are not written: an earlier map has done the job.
        error: what went wrong; empty if nothing did.
        seconds: the time that the job took.
        worker: the host and the process that did it.

    Example:
        >>> row = scionwood_batch.Row("clean/1.sgy", status="failed", error="it is cut")
        >>> row.good
        False
    """

    target: str
    source: str = ""
    stamp: tuple[int, int] | None = None
    command: str = ""
    key: str = ""
    status: Status = "queued"
    error: str = ""
    seconds: float = 0.0
    worker: str = ""

    @property
    def good(self) -> bool:
        """Whether the result is there."""
        return self.status in {"done", "skipped"}


def read_manifest(path: str | Path) -> dict[str, Row]:
    r"""Return the latest row of each job, by target.

    A last line that is incomplete, as a machine that lost its power leaves it, does not count.

    Args:
        path: the file `manifest.jsonl`, or its folder.

    Raises:
        ReadError: another line is damaged.

    Example:
        >>> from pathlib import Path
        >>> Path("clean").mkdir()
        >>> line = '{"target": "1.sgy", "status": "failed", "error": "it is cut"}'
        >>> size = Path("clean/manifest.jsonl").write_text(line + "\n")
        >>> [row.target for row in scionwood_batch.read_manifest("clean").values() if not row.good]
        ['1.sgy']
    """
    path = Path(path)
    path = path / MANIFEST if path.is_dir() else path
    if not path.exists():
        return {}
    rows: dict[str, Row] = {}
    with reading(path, "manifest"):
        text = path.read_bytes()
        lines = text[: text.rfind(b"\n") + 1].splitlines()
    for number, line in enumerate(lines, 1):
        row = _parse(path, number, line)
        rows[row.target] = row
    return rows


def _parse(path: Path, number: int, line: bytes) -> Row:
    try:
        fields = json.loads(line)
        row_fields = {name: fields[name] for name in Row.__dataclass_fields__ if name in fields}
        stamp = row_fields.pop("stamp", None)
        return Row(**row_fields, stamp=tuple(stamp) if stamp else None)
    except (ValueError, TypeError) as error:
        rule = f"line {number} is not a row ({error})"
        remedy = "Remove the line: its job runs again. Or move the file away"
        raise ReadError(str(path), rule, remedy) from error


@final
class Manifest:
    """The file to which rows are appended; each is on the disk when `append` returns.

    While the disk is full, rows wait in memory, and each `append` tries again. Only one process at
    a time may have the manifest of a folder open.

    Args:
        path: the file, which is created at the first row.

    Raises:
        ReadError: the file is damaged.
        BatchError: another process has it open.
        WriteError: its folder cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout as error:
                rule = "another map writes to this folder"
                remedy = "Wait for it, or choose another target"
                raise BatchError(str(path), rule, remedy) from error
        self.path = path
        self._waiting: list[str] = []
        self._end = 0  # of the last whole line, in bytes
        if path.exists():
            self._end = path.read_bytes().rfind(b"\n") + 1

    def append(self, rows: Iterable[Row]) -> None:
        """Append rows, or keep them if the disk is full.

        Raises:
            OSError: the disk does not take them for another reason.
        """
        self._waiting += [json.dumps(asdict(row)) + "\n" for row in rows]
        try:
            self._write()
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise

    def flush(self) -> None:
        """Write the rows that wait.

        Raises:
            WriteError: they could not be written.
        """
        with writing(self.path, then="The same command continues"):
            self._write()

    def close(self) -> None:
        """Let another process open the manifest."""
        self._lock.release()

    def _write(self) -> None:
        if not self._waiting:
            return
        with self.path.open("r+b" if self.path.exists() else "w+b", buffering=0) as file:
            try:
                file.truncate(self._end)
                file.seek(self._end)
                data = memoryview("".join(self._waiting).encode())
                while data:
                    data = data[file.write(data) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(self._end)
                raise
            self._end = file.tell()
        self._waiting = []
