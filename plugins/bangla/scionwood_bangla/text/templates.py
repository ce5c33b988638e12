"""Messages as tokens: the tokenizer's own chat template, or a plain one where it has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scionwood import WeightsError
from scionwood_bangla.text.examples import Example, Message

IGNORED = -100
"""The label of a token that is not learned."""


@dataclass(frozen=True)
class Encoded:
    """An example as tokens.

    Attributes:
        prompt: ids of all turns before the completion, and of what opens the assistant's turn.
        completion: ids of the completion and of the token that ends it.
    """

    prompt: list[int]
    completion: list[int]

    @property
    def input_ids(self) -> list[int]:
        """Both, one behind the other."""
        return self.prompt + self.completion

    @property
    def labels(self) -> list[int]:
        """`IGNORED` for the prompt, the ids of the completion and its end."""
        return [IGNORED] * len(self.prompt) + self.completion


def encode(tokenizer: Any, example: Example) -> Encoded:
    """The tokens of an example; what is learned is the completion and its end, nothing else.

    Prompt and completion are split into tokens apart, as they are when text is generated.

    Args:
        tokenizer: of transformers.
        example: whose last message is the assistant's.

    Raises:
        WeightsError: the tokenizer has no token that ends a text.
    """
    end = end_of_text(tokenizer)
    learned = tokenizer(example.completion, add_special_tokens=False)["input_ids"]
    return Encoded(prompt_ids(tokenizer, example.prompt), [*learned, end])


def prompt_ids(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """The tokens of a conversation up to where the assistant's answer begins.

    Args:
        tokenizer: of transformers.
        messages: without the answer.
    """
    text = prompt_text(tokenizer, messages)
    templated = bool(tokenizer.chat_template)  # which writes the first token itself
    ids: list[int] = tokenizer(text, add_special_tokens=not templated)["input_ids"]
    return ids[:-1] if not templated and ids and ids[-1] == tokenizer.eos_token_id else ids


def prompt_text(tokenizer: Any, messages: Sequence[Message]) -> str:
    """A conversation up to where the assistant's answer begins, as text with its special tokens.

    Args:
        tokenizer: of transformers; its chat template is used where it has one.
        messages: without the answer. Where a template knows no system turn, that goes into the
            first turn of the user.
    """
    if not tokenizer.chat_template:
        return plain(messages)
    from jinja2 import TemplateError

    try:
        return _templated(tokenizer, messages)
    except TemplateError:
        if messages[0].role != "system":
            raise
        return _templated(tokenizer, _folded(messages))


def plain(messages: Sequence[Message]) -> str:
    """A conversation for models without a chat template: a heading above each turn.

    Args:
        messages: without the answer.
    """
    turns = [f"### {message.role}\n{message.content}\n\n" for message in messages]
    return "".join([*turns, "### assistant\n"])


def end_of_text(tokenizer: Any) -> int:
    """The id of the token that ends an answer.

    Raises:
        WeightsError: there is none, so that a model could never learn to stop.
    """
    if tokenizer.eos_token_id is None:
        rule = "it has no token that ends a text, so that no model could learn to stop"
        raise WeightsError("the tokenizer", rule, "Set its eos_token")
    return int(tokenizer.eos_token_id)


def _templated(tokenizer: Any, messages: Sequence[Message]) -> str:
    turns = [{"role": message.role, "content": message.content} for message in messages]
    text: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return text


def _folded(messages: Sequence[Message]) -> list[Message]:
    system, rest = messages[0], list(messages[1:])
    if not rest or rest[0].role != "user":
        return [Message("user", system.content), *rest]
    return [Message("user", f"{system.content}\n\n{rest[0].content}"), *rest[1:]]
