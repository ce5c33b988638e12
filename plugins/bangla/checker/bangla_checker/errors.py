"""Errors that state the value, the rule that it breaks, and the remedy."""

from __future__ import annotations

import re

_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class CheckerError(ValueError):
    """The root of every error that the checker raises on purpose.

    Control characters are escaped in the message, so that the name of a file cannot steer a
    terminal.

    Args:
        value: the value at fault, such as a file or an option.
        rule: what is wrong with it.
        remedy: what the reader can do about it.

    Example:
        >>> from bangla_checker import CheckerError
        >>> str(CheckerError("letter.txt", "there is no text", "Write a word"))
        'letter.txt: there is no text. Write a word'
    """

    def __init__(self, value: str, rule: str, remedy: str) -> None:
        self.value, self.rule, self.remedy = value, rule, remedy
        super().__init__(_HIDDEN.sub(_escape, f"{value}: {rule}. {remedy}"))

    def __reduce__(self) -> tuple[type[CheckerError], tuple[str, str, str]]:
        return type(self), (self.value, self.rule, self.remedy)  # ValueError keeps the message only


class TextError(CheckerError):
    """A text is missing, cannot be read, or is not Bangla in Unicode."""


class OptionError(CheckerError):
    """An option or a level is unknown, or options exclude each other."""


class SaveError(CheckerError):
    """A file cannot be written."""


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
