"""Messages and examples, which readers, the generator, training and the evaluation share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from scionwood import RecipeError
from scionwood_bangla.lexicon import LEVELS

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: one of `ROLES`.
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


def conversation(
    *turns: tuple[Role, str],
    register: str | Collection[str] | None = None,
    topic: str | None = None,
) -> Example:
    """Make an example from pairs of role and text.

    Args:
        turns: the turns in order. The last turn is the assistant's.
        register: one or more accepted levels, of `tui`, `tumi` and `apni`.
        topic: the topic.

    Raises:
        RecipeError: the last turn is not the assistant's, or a level is unknown.
    """
    if not turns or turns[-1][0] != "assistant":
        rule = "its last turn must be the assistant's"
        raise RecipeError(f"a conversation of {len(turns)} turns", rule, "Add the answer")
    messages = tuple(Message(role, text) for role, text in turns)
    return Example(messages, levels_of(register), topic)


def levels_of(register: str | Collection[str] | None) -> frozenset[str] | None:
    """Parse levels from a string such as `apni` or `tumi,apni`, or from a list of levels.

    Args:
        register: the value in a file or an option. `None` or an empty value means unknown.

    Raises:
        RecipeError: a level is unknown.
    """
    if not register:
        return None
    words = register.split(",") if isinstance(register, str) else register
    levels = frozenset(word.strip().lower() for word in words)
    if unknown := sorted(levels - set(LEVELS)):
        rule, remedy = "it is not a level of address", f"Use one or more of {', '.join(LEVELS)}"
        raise RecipeError(f"register {unknown[0]!r}", rule, remedy)
    return levels
