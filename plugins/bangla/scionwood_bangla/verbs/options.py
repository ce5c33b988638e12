"""The options that several verbs share, each with its unit, default and help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bangla_checker import Output, Request
from scionwood.authoring import InputPath
from scionwood_language import ModelOptions


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


@dataclass(frozen=True)
class WriterOptions(ModelOptions):
    """Which model writes.

    Attributes:
        run: a run of a task of this plugin, as a folder or by its name. Without run, peft and model
            it is the shipped one, bangla/register_tiny.
        model: the model without a run: tiny, a local folder, or owner/name on the hub.
        peft: a plain peft folder that goes on `model`, instead of a run.

    Example:
        >>> from scionwood_bangla import WriterOptions
        >>> WriterOptions().is_shipped
        True
    """

    peft: InputPath | None = None

    @property
    def is_shipped(self) -> bool:
        """Whether the shipped run writes."""
        return self.run is None and self.peft is None and self.model is None
