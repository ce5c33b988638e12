"""The options that several verbs share, each with its unit, default and help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scionwood.authoring import InputPath
from scionwood_language import ModelOptions


@dataclass(frozen=True)
class AddressOptions:
    """Which levels of address a text may have.

    Attributes:
        register: the accepted levels, such as apni or tumi,apni. Without it, all levels are
            accepted.
        chandrabindu: also report an honorific verb after তারা, which is then written তাঁরা.

    Example:
        >>> from scionwood_bangla import AddressOptions
        >>> AddressOptions("tumi, apni").levels
        ['tumi', 'apni']
    """

    register: str | None = None
    chandrabindu: bool = False

    @property
    def levels(self) -> list[str] | None:
        """The accepted levels; `None` accepts all."""
        return (
            None if self.register is None else [part.strip() for part in self.register.split(",")]
        )


@dataclass(frozen=True)
class CheckRequest(AddressOptions):
    """How a text is checked.

    Attributes:
        letter: whether to check the parts of a letter. auto checks them if the text looks like one.

    Example:
        >>> from scionwood_bangla import CheckRequest
        >>> CheckRequest(letter="yes").is_letter
        True
    """

    letter: Literal["auto", "yes", "no"] = "auto"

    @property
    def is_letter(self) -> bool | None:
        """Whether the text is a letter; `None` decides by the text."""
        return {"auto": None, "yes": True, "no": False}[self.letter]


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


@dataclass(frozen=True)
class ExampleOptions:
    """Which examples a verb uses.

    Attributes:
        data: a file of examples with a register each, in any supported format. Without it, examples
            are generated.
        n: the number of generated examples.

    Example:
        >>> from scionwood_bangla import ExampleOptions
        >>> ExampleOptions(n=20).data is None
        True
    """

    data: Path | None = None
    n: int = 300
