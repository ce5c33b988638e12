"""Messages and examples, which data and evaluation share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: who speaks.
        content: the normalised text.
    """

    role: Role
    content: str


@dataclass(frozen=True)
class Example:
    """A conversation. Its last turn is the assistant's, and a model is trained to write it.

    Attributes:
        messages: the turns in order.
        register: the accepted levels of address in the completion, or `None` if unknown.
        topic: the topic. A split keeps all examples of a topic together.

    Example:
        >>> from scionwood_bangla import Example
        >>> from scionwood_bangla.text.examples import Message
        >>> example = Example((Message("user", "লেখো।"), Message("assistant", "তুমি কেমন আছ?")))
        >>> example.completion
        'তুমি কেমন আছ?'
    """

    messages: tuple[Message, ...]
    register: frozenset[str] | None = None
    topic: str | None = None

    @property
    def prompt(self) -> tuple[Message, ...]:
        """All turns before the last turn."""
        return self.messages[:-1]

    @property
    def completion(self) -> str:
        """The text of the last turn, which is the assistant's."""
        return self.messages[-1].content
