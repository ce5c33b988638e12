"""Read a text file, or say which byte of it is not UTF-8."""

from __future__ import annotations

from pathlib import Path

from scionwood.errors import ReadError
from scionwood_sandbox.files import reading


def read_utf8(path: str | Path, remedy: str = "Save it as UTF-8") -> str:
    """Return the text of a file as it is, without a byte order mark.

    Args:
        path: the file, UTF-8.
        remedy: what the error advises for a file in another encoding.

    Raises:
        ReadError: the file does not exist, or it is not UTF-8. The line of the first invalid byte
            is named.

    Example:
        >>> from pathlib import Path
        >>> size = Path("letter.txt").write_text("Dear all", encoding="utf-8-sig")
        >>> authoring.read_utf8("letter.txt")
        'Dear all'
    """
    with reading(path, "text"):
        raw = Path(path).read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ReadError(str(path), "it is UTF-16", "Save it as UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ReadError(
            f"{path}, line {line}", f"byte {error.start} is not UTF-8", remedy
        ) from error
