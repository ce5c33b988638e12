"""Answers in JSON: a grammar of the library llguidance says which token may come next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, final

import torch
from torch import Tensor

from scionwood import PluginError, RecipeError

RULE = 'it is {"type": "text"}, {"type": "json_object"}, or {"type": "json_schema", ...}'


def schema_of(response_format: Any) -> Mapping[str, Any] | None:
    """Return the JSON schema of a `response_format` of OpenAI's API, or `None` for plain text.

    Raises:
        RecipeError: it has another form.
    """
    kind = response_format.get("type") if isinstance(response_format, Mapping) else response_format
    if kind in (None, "text"):
        return None
    if kind == "json_object":
        return {"type": "object"}
    json_schema = response_format.get("json_schema") if kind == "json_schema" else None
    schema = json_schema.get("schema") if isinstance(json_schema, Mapping) else None
    if not isinstance(schema, Mapping):
        raise RecipeError(f"response_format: {str(response_format)[:80]}", RULE, "Correct it")
    return schema


@final
class Grammar:
    """What an answer may go on with, so that it is JSON of a schema.

    Args:
        tokens: the tokenizer of `tokens_of`.
        schema: the JSON schema.

    Raises:
        RecipeError: the schema has a part that the library does not know.
    """

    def __init__(self, tokens: Any, schema: Mapping[str, Any]) -> None:
        from llguidance import LLMatcher

        # One space between two parts at most: a model might write spaces without an end.
        options: Any = {"whitespace_pattern": " "}
        grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=options)
        self._matcher = LLMatcher(tokens, grammar)
        if self._matcher.is_error():
            rule = f"its schema cannot be used ({self._matcher.get_error().splitlines()[0]})"
            raise RecipeError("response_format", rule, "Simplify the schema")

    def masked(self, logits: Tensor) -> Tensor:
        """Return logits (vocabulary,) without the tokens that may not come next."""
        flags = torch.frombuffer(bytearray(self._matcher.compute_logit_bias()), dtype=torch.uint8)
        allowed = torch.zeros_like(logits, dtype=torch.bool)
        size = min(len(flags), len(logits))
        allowed[:size] = flags[:size].to(logits.device) > 0
        return logits.masked_fill(~allowed, float("-inf"))

    def take(self, token: int) -> bool:
        """Go on with a token, and return whether the answer is whole."""
        self._matcher.consume_token(token)
        return bool(self._matcher.is_stopped())


def tokens_of(tokenizer: Any, ends: set[int]) -> Any:
    """Return the tokenizer of transformers as the library needs it, which takes a second.

    Raises:
        PluginError: the library is not installed.
    """
    if find_spec("llguidance") is None:
        rule = "answers in JSON need the package llguidance"
        raise PluginError("response_format", rule, "pip install 'llguidance>=1.0'")
    from llguidance.hf import from_tokenizer

    return from_tokenizer(tokenizer, eos_token=sorted(ends))
