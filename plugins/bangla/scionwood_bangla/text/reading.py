"""Read a Bangla text from a file, with the errors of Scionwood."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bangla_checker
from bangla_checker import CheckerError, SaveError, TextError
from scionwood import ReadError, RecipeError, WriteError
from scionwood.authoring import call_in_child


@contextmanager
def scionwood_errors() -> Iterator[None]:
    """Raise errors of the checker, which knows nothing of Scionwood, as errors of Scionwood.

    Raises:
        ReadError: a text is missing, cannot be read, or is not Bangla.
        WriteError: a file cannot be written.
        RecipeError: a level is unknown, or options exclude each other.
    """
    try:
        yield
    except CheckerError as error:
        parts = error.value, error.rule, error.remedy
        if isinstance(error, TextError):
            raise ReadError(*parts) from error
        if isinstance(error, SaveError):
            raise WriteError(*parts) from error
        raise RecipeError(*parts) from error


def require_bangla(text: str, where: str) -> str:
    """Return the normalised text, or refuse a text that is not Bangla.

    Args:
        text: the text.
        where: the name of the text in an error.

    Raises:
        ReadError: the text is empty, mojibake, Bijoy (ANSI), or mostly in another script or
            language.
    """
    with scionwood_errors():
        return bangla_checker.require_bangla(text, where)


def read_text(path: str | Path) -> str:
    """Return the normalised text of a file.

    Args:
        path: the file, UTF-8.

    Raises:
        ReadError: the file does not exist, or it is not UTF-8, empty, mojibake, Bijoy (ANSI), or
            mostly in another script.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_bangla import read_text
        >>> size = Path("letter.txt").write_text("আপনি কেমন আছেন?", encoding="utf-8")
        >>> read_text("letter.txt")
        'আপনি কেমন আছেন?'
    """
    return call_in_child(_bangla_of, path)


def _bangla_of(path: Path) -> str:
    with scionwood_errors():
        return bangla_checker.read_text(path)
