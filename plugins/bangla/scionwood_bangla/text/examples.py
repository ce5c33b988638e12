"""What every reader, the generator and the evaluation share: messages, and the turn to learn."""

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
        role: of `ROLES`.
        content: its text, normalised.
    """

    role: Role
    content: str


@dataclass(frozen=True)
class Example:
    """A conversation that ends with a turn of the assistant, which is what is learned.

    Attributes:
        messages: the turns in their order.
        register: the levels of address that are acceptable in the completion; None where unknown.
        topic: what it is about; splits keep the examples of one topic together.
    """

    messages: tuple[Message, ...]
    register: frozenset[str] | None = None
    topic: str | None = None

    @property
    def prompt(self) -> tuple[Message, ...]:
        """Every turn before the last."""
        return self.messages[:-1]

    @property
    def completion(self) -> str:
        """The last turn, which is the assistant's."""
        return self.messages[-1].content


def conversation(
    *turns: tuple[Role, str],
    register: str | Collection[str] | None = None,
    topic: str | None = None,
) -> Example:
    """An example from pairs of role and text.

    Args:
        turns: in their order, the assistant's last.
        register: a level or several, of tui, tumi and apni.
        topic: what it is about.

    Raises:
        RecipeError: the last turn is not the assistant's, or a level is unknown.
    """
    if not turns or turns[-1][0] != "assistant":
        rule = "its last turn is the assistant's"
        raise RecipeError(f"a conversation of {len(turns)} turns", rule, "Add the answer")
    messages = tuple(Message(role, text) for role, text in turns)
    return Example(messages, levels_of(register), topic)


def levels_of(register: str | Collection[str] | None) -> frozenset[str] | None:
    """The levels that a word such as `apni`, or `tumi,apni`, or a list of them names.

    Args:
        register: as written in a file or an option; None, or nothing, for unknown.

    Raises:
        RecipeError: a level is unknown.
    """
    if not register:
        return None
    words = register.split(",") if isinstance(register, str) else register
    levels = frozenset(word.strip().lower() for word in words)
    if unknown := sorted(levels - set(LEVELS)):
        raise RecipeError(f"register {unknown[0]!r}", "it is no level", f"Of {', '.join(LEVELS)}")
    return levels
