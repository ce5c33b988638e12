"""Errors that state the value, the rule that it breaks, and the remedy."""

from __future__ import annotations

import unicodedata
from typing import Any

_HIDDEN = ("Cc", "Cs", "Zl", "Zp")  # controls, half characters, separators of lines
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class RuleError(Exception):
    """The root of every error that is raised on purpose.

    A control character of a file's name or content is escaped in the message, so that a file
    cannot steer the terminal or forge a line of a log. The attributes keep it.

    Args:
        value: the value at fault with its name, such as a file, a key or a plugin.
        rule: what is required instead.
        remedy: what the reader can do about it.

    Example:
        >>> from scionwood_sandbox import RuleError
        >>> error = RuleError("lr 0.0", "it must be positive", "Try 1e-3")
        >>> str(error), error.remedy
        ('lr 0.0: it must be positive. Try 1e-3', 'Try 1e-3')
    """

    def __init__(self, value: str, rule: str = "", remedy: str = "") -> None:
        self.value, self.rule, self.remedy = value, rule, remedy
        name = value.replace("\n", r"\n")  # a name must not begin a line of its own
        head = f"{name}: {rule}" if rule else name
        super().__init__(visible(f"{head}. {remedy}" if remedy else head))

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError keeps other `args`, so say how to rebuild across processes.
        return type(self), (self.value, self.rule, self.remedy)


class ReadError(RuleError, OSError):
    """A data file is missing, damaged, or not of the format that it claims.

    Example:
        >>> from scionwood_sandbox import reading
        >>> with reading("shot.h5", "HDF5"):
        ...     open("shot.h5")
        Traceback (most recent call last):
        ...
        scionwood_sandbox.errors.ReadError: shot.h5: there is no such file. Check the path
    """


class WriteError(RuleError, OSError):
    """A result could not be written completely; nothing is left under its final name.

    Example:
        >>> import errno
        >>> from scionwood_sandbox import writing
        >>> with writing("clean.sgy"):
        ...     raise OSError(errno.ENOSPC, "No space left on device")
        Traceback (most recent call last):
        ...
        scionwood_sandbox.errors.WriteError: clean.sgy: it cannot be written (No space left ...
    """


class OutputExistsError(WriteError, FileExistsError):
    """The output exists already, and the caller did not ask to overwrite it.

    Example:
        >>> from scionwood_sandbox import check_target
        >>> check_target(".", overwrite=False)
        Traceback (most recent call last):
        ...
        scionwood_sandbox.errors.OutputExistsError: .: it exists already. ...
    """


class PatternError(RuleError, ValueError):
    """A pattern of a stranger that cannot be matched in linear time.

    Example:
        >>> from scionwood_sandbox import Patterns
        >>> Patterns(["a"]).compile("(?=a)", "targets")
        Traceback (most recent call last):
        ...
        scionwood_sandbox.errors.PatternError: targets '(?=a)': it is not a pattern of RE2, ...
    """


def visible(text: str) -> str:
    r"""Return a text in which every character shows; line breaks and tabs stay.

    Control characters, half characters, and marks that reverse the reading direction become
    escapes. So a text from a file cannot steer a terminal.

    Example:
        >>> from scionwood_sandbox.errors import visible
        >>> print(visible("a\x1b[2J.sgy"))
        a\x1b[2J.sgy
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in "\n\t":
        return character
    hidden = character in _BIDI or unicodedata.category(character) in _HIDDEN
    return ascii(character)[1:-1] if hidden else character
