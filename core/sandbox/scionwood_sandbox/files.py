"""Read and write files: errors name the file and the remedy, and no result is left half written."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scionwood_sandbox.errors import OutputExistsError, ReadError, RuleError, WriteError

REASON = 200
"""Characters of a library's message that an error repeats."""

_NAME = 40  # characters of a target's name in that of its temporary file

_READ: Mapping[int, tuple[str, str]] = {
    errno.EISDIR: ("it is a folder, not a file", "Name a file inside it"),
    errno.ENOTDIR: ("a part of its path is a file, not a folder", "Check the path"),
    errno.EACCES: ("it may not be read", "Ask its owner for permission to read it"),
    errno.EPERM: ("it may not be read", "Ask its owner for permission to read it"),
    errno.ENAMETOOLONG: ("its name is too long for this file system", "Check the path"),
    errno.ELOOP: ("its symbolic links lead back to themselves", "Name the file itself"),
    errno.EMFILE: ("too many files are open", "Close some, or raise the limit: ulimit -n 4096"),
    errno.ENFILE: ("too many files are open", "Close other programs, then try again"),
    errno.EIO: ("the disk cannot read it", "Check the disk, or fetch the file again"),
    errno.ESTALE: ("the network drive no longer knows it", "Mount the drive again"),
}
_FULL = "Free space there, or choose another disk"
_DENIED = "Choose a folder in which you may write, or change its permissions"
_WRITE: Mapping[int, str] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: "Your quota on this disk is used up: remove files, or ask for more",
    errno.EFBIG: "The file is too large for this disk: choose another disk",
    errno.ENOTDIR: "A part of the path is a file: choose a folder",
    errno.EEXIST: "A file has the name of a folder in this path: choose another name",
    errno.EISDIR: "A folder has this name: choose another name",
    errno.ENOENT: "Check the path: a folder in it does not exist",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "The disk is read-only: choose another folder",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.EINVAL: "Choose a name without special characters",
    errno.ELOOP: "Its symbolic links lead back to themselves: name the folder itself",
    errno.EBUSY: "Another program uses the file: close it there",
    errno.ETXTBSY: "Another program uses the file: close it there",
    errno.EMFILE: "Too many files are open: close some, or raise the limit: ulimit -n 4096",
    errno.ENFILE: "Too many files are open: close other programs, then try again",
    errno.EIO: "The disk reports an error: check it, or choose another disk",
    errno.ESTALE: "The network drive no longer knows the folder: mount it again",
}


@contextmanager
def reading(
    path: str | Path, kind: str, *, passing: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Turn any exception that a library raises while it reads a file into a `ReadError`.

    A `RuleError` and a missing package (`ImportError`) pass through.

    Args:
        path: the file.
        kind: its format, as the message should name it: `HDF5`.
        passing: other exceptions that pass through, such as `IndexError`.

    Raises:
        ReadError: naming the file, the reason, and the remedy.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_sandbox import reading
        >>> with reading("shot.h5", "HDF5"):
        ...     Path("shot.h5").read_bytes()
        Traceback (most recent call last):
        ...
        scionwood_sandbox.errors.ReadError: shot.h5: there is no such file. Check the path
    """
    try:
        yield
    except (RuleError, ImportError):
        raise
    except passing:
        raise
    except SystemExit as error:  # meshio exits on some damaged files
        if type(error) is not SystemExit:  # a signal asks the program to stop
            raise
        raise _unreadable(path, kind, error) from error
    except Exception as error:  # parsers raise nearly anything on damaged input
        raise _unreadable(path, kind, error) from error


@contextmanager
def writing(target: str | Path, *, then: str = "") -> Iterator[None]:
    """Turn an `OSError` into a `WriteError` whose remedy fits its kind.

    Args:
        target: the file or folder, or what is written: `the recipe in runs/a`.
        then: a second sentence for the remedy, such as how to resume.

    Raises:
        WriteError: naming the target, what the system reported, and the remedy.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_sandbox import writing
        >>> with writing("no-folder/a.txt"):
        ...     Path("no-folder/a.txt").write_text("a")
        Traceback (most recent call last):
        ...
        scionwood_sandbox.errors.WriteError: no-folder/a.txt: it cannot be written (...). ...
    """
    try:
        yield
    except RuleError:
        raise
    except OSError as error:
        number = _number(error)
        remedy = _WRITE.get(number, "Check the path and the disk")
        rule = f"it cannot be written ({error.strerror or _reason(error)})"
        raise WriteError(str(target), rule, f"{remedy}. {then}" if then else remedy) from error


@contextmanager
def atomic_path(target: str | Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `target`; rename it to `target` when the block succeeds.

    The file reaches the disk (fsync) before it gets its name, so that after a crash or on a full
    disk the previous content is still there. The temporary name keeps the target's suffix, because
    many writers choose a format by it.

    Args:
        target: the file; its folder is created if it is missing.
        overwrite: replace a file that exists.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
        OSError: the system's own error; the temporary file is removed.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_sandbox import atomic_path
        >>> with atomic_path("results/a.txt") as part:
        ...     size = part.write_text("done")
        >>> Path("results/a.txt").read_text()
        'done'
    """
    target = Path(target)
    check_target(target, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.stem[:_NAME]}-"
    handle, name = tempfile.mkstemp(target.suffix, prefix, target.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o666 & ~_umask())  # mkstemp makes files private; a result is not
        sync(part)
        check_target(target, overwrite)  # another process may have written it meanwhile
        os.replace(part, target)
        sync(target.parent)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside `target`; rename it to `target` when the block succeeds.

    Its files reach the disk (fsync) before it gets its name. A previous `target` is removed only
    when the new folder is in its place.

    Args:
        target: the folder; its parents are created if they are missing.
        overwrite: replace a file or folder that exists.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.
        OSError: the system's own error; the temporary folder is removed.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_sandbox import atomic_folder
        >>> with atomic_folder("results") as part:
        ...     size = (part / "a.txt").write_text("done")
        >>> [path.name for path in Path("results").iterdir()]
        ['a.txt']
    """
    target = Path(target)
    check_target(target, overwrite)
    with _place_beside(target) as place:
        part, old = place / "new", place / "old"
        part.mkdir()
        yield part
        for path in (*part.rglob("*"), part):
            sync(path)
        check_target(target, overwrite)  # another process may have written it meanwhile
        if target.exists():
            target.rename(old)  # removed with the place
        try:
            part.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        sync(target.parent)


def check_target(target: str | Path, overwrite: bool) -> None:
    """Refuse an output that exists, before any work is done for it.

    Args:
        target: the file or folder to be written.
        overwrite: whether it may be replaced.

    Raises:
        OutputExistsError: `target` exists and `overwrite` is false.

    Example:
        >>> from scionwood_sandbox import check_target
        >>> check_target("new.sgy", overwrite=False)  # nothing has this name
    """
    if not overwrite and Path(target).exists():
        remedy = "Choose another name, or replace it with --force (overwrite=True in Python)"
        raise OutputExistsError(str(target), "it exists already", remedy)


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk; Windows does this for files only."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _place_beside(target: Path) -> Iterator[Path]:
    """A temporary folder on the disk of `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{target.name[:_NAME]}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir=target.parent) as place:
        yield Path(place)


def _unreadable(path: str | Path, kind: str, error: BaseException) -> ReadError:
    rule, remedy = _diagnosis(Path(path), kind, error)
    return ReadError(str(path), rule, remedy)


def _diagnosis(path: Path, kind: str, error: BaseException) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError):
        if not _exists(path):
            return "there is no such file", "Check the path"
        rule = f"{kind}: a file that it refers to is missing ({_reason(error)})"
        return rule, "Keep the files of a data set together, or copy it again"
    if isinstance(error, OSError) and (diagnosis := _READ.get(error.errno or 0)):
        return diagnosis
    if isinstance(error, RecursionError):
        rule = f"{kind}: its content is nested too deeply"
        return rule, "Such a file is damaged or hostile: ask for another"
    if isinstance(error, MemoryError):
        rule = f"{kind}: it declares more data than memory holds"
        return rule, "Check the sizes in the file, or split it"
    rule = f"it is not a readable {kind} file ({_reason(error)})"
    return rule, "Copy it again, or name the right format"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # its folder may not be searched, or the name is not a name
        return False


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())[:REASON] or type(error).__name__
    return f"it has no {text}" if isinstance(error, KeyError) else text


def _number(error: OSError) -> int:
    """Return errno; if a library only repeats the system's text, the number of that text, or 0."""
    if error.errno is not None and error.errno in _WRITE:
        return error.errno
    text = str(error)
    return next((number for number in _WRITE if os.strerror(number) in text), 0)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
