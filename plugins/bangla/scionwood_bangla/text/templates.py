"""Encode messages as tokens, with the chat template of the tokenizer or a plain template."""

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
        prompt: the ids of all turns before the completion, and of the start of the assistant turn.
        completion: the ids of the completion and of the token that ends it.
    """

    prompt: list[int]
    completion: list[int]

    @property
    def input_ids(self) -> list[int]:
        """The ids of prompt and completion."""
        return self.prompt + self.completion

    @property
    def labels(self) -> list[int]:
        """`IGNORED` for each token of the prompt, then the ids of the completion."""
        return [IGNORED] * len(self.prompt) + self.completion


def encode(tokenizer: Any, example: Example) -> Encoded:
    """Return the tokens of an example. Only the completion and its end are learned.

    Prompt and completion are tokenised separately, as they are during generation.

    Args:
        tokenizer: a tokenizer of transformers.
        example: an example whose last message is the assistant's.

    Raises:
        WeightsError: the tokenizer has no token that ends a text.
    """
    end = end_of_text(tokenizer)
    learned = tokenizer(example.completion, add_special_tokens=False)["input_ids"]
    return Encoded(prompt_ids(tokenizer, example.prompt), [*learned, end])


def prompt_ids(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Return the tokens of a conversation up to the start of the assistant's answer.

    Args:
        tokenizer: a tokenizer of transformers.
        messages: the turns without the answer.
    """
    text = prompt_text(tokenizer, messages)
    templated = bool(tokenizer.chat_template)  # a template writes the first token itself
    ids: list[int] = tokenizer(text, add_special_tokens=not templated)["input_ids"]
    return ids[:-1] if not templated and ids and ids[-1] == tokenizer.eos_token_id else ids


def prompt_text(tokenizer: Any, messages: Sequence[Message]) -> str:
    """Return a conversation up to the start of the answer, as text with special tokens.

    Args:
        tokenizer: a tokenizer of transformers. Its chat template is used if it has one.
        messages: the turns without the answer. If the template does not support a system turn, the
            system text is prepended to the first turn of the user.
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
    """Return a conversation for models without a chat template, with a heading above each turn.

    Args:
        messages: the turns without the answer.
    """
    turns = [f"### {message.role}\n{message.content}\n\n" for message in messages]
    return "".join([*turns, "### assistant\n"])


def end_of_text(tokenizer: Any) -> int:
    """Return the id of the token that ends an answer.

    Raises:
        WeightsError: the tokenizer has no such token, so a model could not learn to stop.
    """
    if tokenizer.eos_token_id is None:
        rule = "it has no end-of-text token, so a model cannot learn to stop"
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
