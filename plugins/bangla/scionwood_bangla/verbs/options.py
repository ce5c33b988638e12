"""The options that several verbs share, each with its unit, default and help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bangla_checker import Output, Request


@dataclass(frozen=True)
class CheckRequest:
    """How a text is checked.

    Attributes:
        register: the accepted levels, such as apni or tumi,apni. Without it, all levels are
            accepted.
        chandrabindu: also report an honorific verb after তারা, which is then written তাঁরা.
        letter: whether to check the parts of a letter. auto checks them if the text looks like one.
        language: the language of reasons and questions: English (en) or Bangla (bn).

    Example:
        >>> from scionwood_bangla import CheckRequest
        >>> CheckRequest(letter="yes").request().letter
        'yes'
    """

    register: str | None = None
    chandrabindu: bool = False
    letter: Literal["auto", "yes", "no"] = "auto"
    language: Literal["en", "bn"] = "en"

    def request(self, output: Output = "text") -> Request:
        """Return the options as those of the checker."""
        return Request(self.register, self.letter, self.chandrabindu, output, self.language)
