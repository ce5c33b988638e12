"""What a server offers of a run on a causal language model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scionwood import RecipeError
from scionwood.authoring import LoadedRun, Served, read_utf8
from scionwood_language.chat.templates import prompt_ids
from scionwood_language.inference.decoding import Decoding

if TYPE_CHECKING:
    from scionwood_language.inference.batching import Batcher, Request

LONGEST = 4096
"""The most tokens of an answer of a server."""

ROLES = ("system", "user", "assistant")


def generate(
    run: LoadedRun, source: Path, out: Path, *, options: Decoding = Decoding(max_new_tokens=160)
) -> Served:
    """Answer a request with the run's model.

    Args:
        run: a run on `language/causal_lm`.
        source: a text file with the request.
        out: an empty folder, which stays empty.
        options: how tokens are chosen.

    Returns:
        Values: `text`, and whether the model `ended` it.

    Raises:
        ReadError: the file is not UTF-8.
        RecipeError: the request is too long.
    """
    if options.max_new_tokens > LONGEST:
        value = f"max_new_tokens={options.max_new_tokens}"
        raise RecipeError(value, f"a server writes at most {LONGEST}", "Ask for less")
    from scionwood_language.inference.writer import write

    turns = [{"role": "user", "content": read_utf8(source)}]
    model: Any = run.task.backbone
    tokenizer = model.tokenizer
    [answer] = write(model, [turns], options, tokenizer=tokenizer)
    return Served(values=answer._asdict())


def generate_batches(run: LoadedRun, name: str = "", others: Sequence[Any] = ()) -> Batcher:
    """Return what writes answers of a run, several at a time; a server calls it once for a run.

    Raises:
        RecipeError: the run has no causal language model.
    """
    from scionwood_language.inference.batching import Batcher

    model: Any = run.task.backbone
    tokenizer = getattr(model, "tokenizer", None)
    if tokenizer is None:
        rule = "its backbone has no tokenizer"
        raise RecipeError("the run", rule, "Use a run on language/causal_lm")
    for batcher in others:
        if isinstance(batcher, Batcher) and batcher.adopt(model, name):
            return batcher
    return Batcher(model, tokenizer)


def generate_request(
    batcher: Batcher,
    body: Mapping[str, Any],
    tell: Callable[[dict[str, Any]], None],
    is_cancelled: Callable[[], bool],
    name: str = "",
) -> Request:
    """Return a request in the words of OpenAI's API.

    Args:
        batcher: what will answer it.
        body: `messages`, or `prompt` for a text that is continued; and `max_tokens`,
            `temperature`, `top_p`, `stop`, `seed`, `top_logprobs`, and `response_format`.
        tell: see `Request`.
        is_cancelled: see `Request`.
        name: that of the run, see `generate_batches`.

    Raises:
        RecipeError: a value is out of range, or of another type.
    """
    from scionwood_language.inference.batching import Request
    from scionwood_language.inference.grammar import schema_of

    stop = body.get("stop") or []
    return Request(
        _tokens(batcher.tokenizer, body),
        tell,
        max_tokens=int(_number(body, "max_tokens", 256, 1, LONGEST, is_whole=True)),
        temperature=_number(body, "temperature", 1.0, 0.0, 2.0),
        top_p=_number(body, "top_p", 1.0, 1e-6, 1.0),
        stop=tuple(_texts("stop", [stop] if isinstance(stop, str) else stop, 4)),
        logprobs=(
            None
            if body.get("top_logprobs") is None
            else int(_number(body, "top_logprobs", 0, 0, 20, is_whole=True))
        ),
        seed=int(_number(body, "seed", 0, 0, 2**63 - 1, is_whole=True)),
        schema=schema_of(body.get("response_format")),
        adapter=name if name in batcher.adapters else None,
        is_cancelled=is_cancelled,
    )


def _tokens(tokenizer: Any, body: Mapping[str, Any]) -> list[int]:
    if "messages" not in body:
        [prompt] = _texts("prompt", [body.get("prompt")], 1)
        ids: list[int] = tokenizer(prompt)["input_ids"]
        return ids
    messages = body["messages"]
    is_list = isinstance(messages, list) and bool(messages)
    for turn in messages if is_list else [messages]:
        content = turn.get("content") if isinstance(turn, Mapping) else None
        if not isinstance(content, str) or turn.get("role") not in ROLES:
            rule = f"a message has a role of {', '.join(ROLES)}, and a text as its content"
            raise RecipeError(f"messages: {str(turn)[:80]}", rule, "Correct it")
    return prompt_ids(tokenizer, messages)


def _number(
    body: Mapping[str, Any],
    name: str,
    default: float,
    low: float,
    high: float,
    *,
    is_whole: bool = False,
) -> float:
    value = default if body.get(name) is None else body[name]
    is_number = isinstance(value, int if is_whole else int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        kind = "a whole number" if is_whole else "a number"
        raise RecipeError(
            f"{name}: {str(value)[:80]}", f"{kind} from {low:g} to {high:g}", "Change it"
        )
    return value


def _texts(name: str, values: Any, limit: int) -> list[str]:
    is_list = isinstance(values, list) and len(values) <= limit
    if not is_list or not all(isinstance(value, str) and value for value in values):
        rule = f"it is a text, or at most {limit} texts"
        raise RecipeError(f"{name}: {str(values)[:80]}", rule, "Correct it")
    return list(values)
