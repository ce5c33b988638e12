"""The messages of the checker, in English and in Bangla.

A message is written in English where it arises, and `messages.tsv` has the same in Bangla. No
native linguist has reviewed the Bangla messages.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Literal, Self, final, get_args

Language = Literal["en", "bn"]
_DIGITS = str.maketrans("0123456789", "০১২৩৪৫৬৭৮৯")
LANGUAGES: tuple[Language, ...] = get_args(Language)


@final
class Message(str):
    """A message with words in it. As a string it is English.

    Attributes:
        template: the English message, with the names of its words in braces.
        words: the words, which may be messages too.

    Example:
        >>> from bangla_checker.messages import Message, said
        >>> message = Message("{word} stands beside {other}", word="তুমি", other="আপনি")
        >>> str(message), said(message, "bn")
        ('তুমি stands beside আপনি', 'আপনি শব্দটির পাশে তুমি আছে')
    """

    template: str
    words: dict[str, Any]

    def __new__(cls, template: str, **words: Any) -> Self:
        """Put words into a template."""
        message = super().__new__(cls, template.format(**words))
        message.template, message.words = template, words
        return message

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        return (self.template,), self.words


def said(message: str, language: Language) -> str:
    """Return a message in a language. A word that is no message stays as it is."""
    if language == "en":
        return str(message)
    if not isinstance(message, Message):
        return catalogue().get(message, message)
    words = {
        name: said(word, language) if isinstance(word, str) else str(word).translate(_DIGITS)
        for name, word in message.words.items()
    }
    return catalogue()[message.template].format(**words)


def either(words: list[str]) -> str:
    """Join words by 'or', as a message."""
    joined = words[0]
    for word in words[1:]:
        joined = Message("{first} or {second}", first=joined, second=word)
    return joined


@cache
def catalogue() -> dict[str, str]:
    """Return the messages in Bangla, by their English templates."""
    lines = (files("bangla_checker") / "messages.tsv").read_text("utf-8").splitlines()
    return dict(line.split("\t") for line in lines if not line.startswith("#"))
