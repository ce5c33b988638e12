"""Encode messages as tokens, with the chat template of the tokenizer or a plain template.

A message is plain data, `{"role": "user", "content": "..."}`, as in transformers and TRL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

from scionwood import WeightsError

Rendered = TypeVar("Rendered")
Message = Mapping[str, str]
"""One turn: `role` is system, user or assistant, and `content` is its text."""

IGNORED = -100
"""The label of a token that is not learned."""


Turns = Literal["last", "all"]
"""Which turns of the assistant are learned."""

_MARKED = re.compile(r"\{%-?\s*generation\s*-?%\}")
_PROBE = "x"


@dataclass(frozen=True)
class Encoded:
    """An example as tokens.

    Attributes:
        prompt: the ids of all turns before the completion, and of the start of the assistant turn.
        completion: the ids of the completion, and of what the template writes after it.
        mask: whether each token of prompt and completion is learned. `None` learns the completion.

    Example:
        >>> from scionwood_language import Encoded
        >>> Encoded(prompt=[5, 6], completion=[7]).labels
        [-100, -100, 7]
    """

    prompt: list[int]
    completion: list[int]
    mask: tuple[bool, ...] | None = None

    @property
    def input_ids(self) -> list[int]:
        """The ids of prompt and completion."""
        return self.prompt + self.completion

    @property
    def labels(self) -> list[int]:
        """The ids of learned tokens, and `IGNORED` for each other token."""
        if self.mask is None:
            return [IGNORED] * len(self.prompt) + self.completion
        pairs = zip(self.input_ids, self.mask, strict=False)
        return [token if is_learned else IGNORED for token, is_learned in pairs]


def encode(tokenizer: Any, messages: Sequence[Message], *, turns: Turns = "last") -> Encoded:
    """Return the tokens of a conversation. Only answers and their ends are learned.

    With a chat template, the tokens are those of the whole conversation. The completion begins
    where they differ from the tokens after which a model generates, so its first space and its own
    end of turn are learned, such as Gemma's `<end_of_turn>`. If the template writes no special
    token after an answer, the end-of-text token is added.

    Args:
        tokenizer: a tokenizer of transformers.
        messages: the turns, of which the last is the assistant's.
        turns: learn the last turn of the assistant, or all of them. A template with the marks
            `{% generation %}` says itself what belongs to a turn, and then `all` follows it.

    Raises:
        WeightsError: the tokenizer has no token that ends a text, its template fails, or `all` is
            asked for and it has no template.

    Source: the rule of the common prefix is that of TRL 1.16, `SFTTrainer`.

    Example:
        >>> from scionwood_language import encode, load_model
        >>> tokenizer = load_model("tiny").tokenizer
        >>> turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
        >>> tokenizer.decode(encode(tokenizer, turns).completion).strip()
        'Hello.<|im_end|>'
    """
    if not tokenizer.chat_template:
        if turns == "all":
            rule = "it has no chat template, so earlier turns have no end that could be learned"
            raise WeightsError("the tokenizer", rule, "Learn the last turn, or set a chat template")
        learned = tokenizer(messages[-1]["content"], add_special_tokens=False)["input_ids"]
        end = end_of_text(tokenizer)
        return Encoded(prompt_ids(tokenizer, messages[:-1]), [*learned, end])
    prompt = prompt_ids(tokenizer, messages[:-1])
    tokens = _conversation(tokenizer, messages)
    start = _shared(prompt, tokens)
    if not set(tokens[start:]) & _special(tokenizer):
        tokens = [*tokens, end_of_text(tokenizer)]
    mask = _mask(tokenizer, messages, tokens, start) if turns == "all" else None
    return Encoded(tokens[:start], tokens[start:], mask)


def check_template(tokenizer: Any) -> None:
    """Refuse a chat template that cannot mark the answers of the assistant.

    A conversation must begin with the text after which a model generates, up to its last turn, and
    its rest must hold the answer.

    Raises:
        WeightsError: the template fails, changes the request, or leaves the answer out.
    """
    if not tokenizer.chat_template:
        return
    question, reply = "what comes after seven", "eight it is"
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    start = prompt_text(tokenizer, turns[:1])
    full_text = _with_folded_system(turns, partial(_templated, tokenizer, asks=False))
    common = _shared(start, full_text)
    if question not in full_text[:common] or reply not in full_text[common:]:
        rule = "it does not write a request and then its answer, so the answer cannot be marked"
        remedy = "Set tokenizer.chat_template to one with add_generation_prompt"
        raise WeightsError("the chat template", rule, remedy)


def end_of_turn(tokenizer: Any) -> int:
    """Return the id of the token that ends an answer: the template's own, or else the text's end.

    Raises:
        WeightsError: the tokenizer has no such token, so a model could not learn to stop.
    """
    turns = [{"role": role, "content": _PROBE} for role in ("user", "assistant")]
    code = encode(tokenizer, turns)
    special = _special(tokenizer)
    return next(token for token in code.completion if token in special)


def prompt_ids(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Return the tokens of a conversation up to the start of the assistant's answer."""
    text = prompt_text(tokenizer, messages)
    templated = bool(tokenizer.chat_template)  # a template writes the first token itself
    ids: list[int] = tokenizer(text, add_special_tokens=not templated)["input_ids"]
    return ids[:-1] if not templated and ids and ids[-1] == tokenizer.eos_token_id else ids


def prompt_text(tokenizer: Any, messages: Sequence[Message]) -> str:
    """Return a conversation up to the start of the answer, as text with special tokens."""
    if not tokenizer.chat_template:
        return plain(messages)
    return _with_folded_system(messages, partial(_templated, tokenizer))


def plain(messages: Sequence[Message]) -> str:
    """Return a conversation for models without a chat template, with a heading above each turn."""
    turns = [f"### {message['role']}\n{message['content']}\n\n" for message in messages]
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


def _templated(tokenizer: Any, messages: Sequence[Message], *, asks: bool = True) -> str:
    text: str = tokenizer.apply_chat_template(
        _records(messages), tokenize=False, add_generation_prompt=asks
    )
    return text


def _records(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _conversation(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    text = _with_folded_system(messages, partial(_templated, tokenizer, asks=False))
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _with_folded_system(
    messages: Sequence[Message], use: Callable[[Sequence[Message]], Rendered]
) -> Rendered:
    # Some templates have no system turn: its text then precedes the first turn of the user.
    from jinja2 import TemplateError

    try:
        try:
            return use(messages)
        except TemplateError:
            if messages[0]["role"] != "system":
                raise
            return use(_folded(messages))
    except TemplateError as error:
        rule = f"it cannot write a conversation ({str(error)[:200]})"
        remedy = "Order the turns as it asks, or set another tokenizer.chat_template"
        raise WeightsError("the chat template", rule, remedy) from error


def _mask(
    tokenizer: Any, messages: Sequence[Message], tokens: list[int], start: int
) -> tuple[bool, ...]:
    if _MARKED.search(str(tokenizer.chat_template)):
        masks = _with_folded_system(messages, partial(_marks, tokenizer))
        extra_tokens = len(tokens) - len(masks)  # an added end-of-text token
        return (*map(bool, masks), *[True] * extra_tokens)
    spans = [(start, len(tokens))]
    for number, message in enumerate(messages[:-1]):
        if message["role"] == "assistant":
            prompt = prompt_ids(tokenizer, messages[:number])
            with_answer = _conversation(tokenizer, messages[: number + 1])
            spans.append((_shared(prompt, tokens), _shared(with_answer, tokens)))
    return tuple(any(low <= at < high for low, high in spans) for at in range(len(tokens)))


def _marks(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    output = tokenizer.apply_chat_template(
        _records(messages), tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    marks: list[int] = output["assistant_masks"]
    return marks


def _special(tokenizer: Any) -> set[int]:
    added = tokenizer.added_tokens_decoder.items()
    return set(tokenizer.all_special_ids) | {at for at, token in added if token.special}


def _shared(first: Sequence[Any], second: Sequence[Any]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(first), len(second)))


def _folded(messages: Sequence[Message]) -> list[Message]:
    system, others = messages[0]["content"], list(messages[1:])
    if not others or others[0]["role"] != "user":
        return [{"role": "user", "content": system}, *others]
    joined = f"{system}\n\n{others[0]['content']}"
    return [{"role": "user", "content": joined}, *others[1:]]
